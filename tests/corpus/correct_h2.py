# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/2 with python3-h2: streams are cancelled, the connection is not.

The next request goes out while the reply to a cancelled one is on its way, as with the bug; each
reply says whose it is, and those of cancelled streams are thrown away. --way tasks: one reader,
many tasks. --way alone: one thread that gives up waiting and asks again.
"""

import asyncio
import os
import select
import signal
import socket

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from correct import Truth, arguments, cancelled, workers

HEADERS = ((":method", "GET"), (":scheme", "http"), (":authority", "here"))


class Server(asyncio.Protocol):
    """GET /TAG/SECONDS is answered with the tag, so much later."""

    def connection_made(self, transport):
        self.transport = transport
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.transport.write(self.h2.data_to_send())

    def data_received(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                path = dict(event.headers)[b":path"].decode()
                _, tag, seconds = path.split("/")
                asyncio.get_running_loop().call_later(float(seconds), self.answer,
                                                      event.stream_id, tag)
        self.flush()

    def answer(self, stream, tag):
        try:
            self.h2.send_headers(stream, [(":status", "200")])
            self.h2.send_data(stream, tag.encode(), end_stream=True)
        except h2.exceptions.ProtocolError:
            return  # cancelled by the client
        self.flush()


async def serve(listener):
    server = await asyncio.get_running_loop().create_server(Server, sock=listener)
    await server.serve_forever()


class Client:
    """What both ways share: streams, and the answers as far as they have come."""

    def __init__(self, write):
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.write = write
        self.bodies = {}
        self.h2.initiate_connection()
        self.write(self.h2.data_to_send())

    def ask(self, tag, seconds):
        stream = self.h2.get_next_available_stream_id()
        self.bodies[stream] = b""
        self.h2.send_headers(stream, [*HEADERS, (":path", f"/{tag}/{seconds}")], end_stream=True)
        self.write(self.h2.data_to_send())
        return stream

    def cancel(self, stream):
        del self.bodies[stream]
        self.h2.reset_stream(stream, 8)
        self.write(self.h2.data_to_send())

    def receive(self, data):
        """The streams that have ended, and their bodies."""
        ended = []
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived) and event.stream_id in self.bodies:
                self.bodies[event.stream_id] += event.data
            if isinstance(event, h2.events.StreamEnded) and event.stream_id in self.bodies:
                ended.append((event.stream_id, self.bodies.pop(event.stream_id)))
        if (data := self.h2.data_to_send()):
            self.write(data)
        return ended


async def tasks(args, truth, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client, waiters = Client(writer.write), {}

    async def read():
        while (data := await reader.read(65536)):
            for stream, body in client.receive(data):
                if not waiters[stream].done():
                    waiters[stream].set_result(body)

    async def get(tag, seconds):
        stream = client.ask(tag, seconds)
        waiters[stream] = asyncio.get_running_loop().create_future()
        try:
            truth.judge(await waiters[stream], tag)
        except asyncio.CancelledError:
            if stream in client.bodies:
                client.cancel(stream)
            raise

    async def work(number, varied):
        await cancelled(truth, get(truth.tag(), varied.uniform(0, 0.006)),
                        varied.uniform(0, 0.006))

    reading = asyncio.create_task(read())
    await workers(args, work)
    reading.cancel()
    writer.close()


async def alone(args, truth, port):
    await asyncio.to_thread(alone_in_a_thread, args, truth, port)


def alone_in_a_thread(args, truth, port):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = Client(sock.sendall)
    for number in range(args.operations):
        tag = truth.tag()
        mine, ended = client.ask(tag, (number % 7) / 1000), []
        while mine not in dict(ended):
            if not select.select([sock], [], [], 0.003)[0]:
                client.cancel(mine)
                truth.gave_up()
                break
            ended += client.receive(sock.recv(65536))
        else:
            truth.judge(dict(ended)[mine], tag)
    sock.close()


WAYS = {"tasks": tasks, "alone": alone}


def main(args):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = os.fork()
    if server == 0:
        try:
            asyncio.run(serve(listener))
        finally:
            os._exit(0)
    listener.close()
    truth = Truth("correct_h2")
    try:
        asyncio.run(WAYS[args.way](args, truth, port))
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    truth.report()


if __name__ == "__main__":
    main(arguments(__doc__, tuple(WAYS)).parse_args())
