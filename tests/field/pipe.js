// SPDX-License-Identifier: GPL-2.0-or-later
// A relay of pipes: pipe.js http|tcp PORT UPSTREAM. A tick beside it counts who is there.
'use strict';
const http = require('http');
const net = require('net');

const [way, port, upstream] = [process.argv[2], +process.argv[3], +process.argv[4]];
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 1000 });
let clients = 0;
let most = 0;

function request(req, res) {
	const { method, url, headers } = req;
	const onward = http.request(
		{ host: '127.0.0.1', port: upstream, method, path: url, headers, agent },
		(reply) => {
			res.writeHead(reply.statusCode, reply.headers);
			reply.pipe(res);
		});
	onward.on('error', () => res.destroy());
	res.on('close', () => res.writableFinished || onward.destroy());
	req.pipe(onward);
}

function connection(client) {
	const server = net.connect(upstream, '127.0.0.1');
	for (const [one, other] of [[client, server], [server, client]]) {
		one.setNoDelay();
		one.on('error', () => other.destroy());
		one.on('close', () => other.destroy());
		one.pipe(other);
	}
}

const relay = way === 'http' ? http.createServer(request) : net.createServer(connection);
relay.on('connection', (client) => {
	clients++;
	client.on('close', () => clients--);
});
relay.listen(port, '127.0.0.1', 1024);
setInterval(() => {
	most = Math.max(most, clients);
}, 100);
