-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- lua-redis over lua-socket: the socket's timeout ends a command, the client stays in use, and the
-- next command reads the old reply. The server is a redis behind a relay that hands marked
-- requests on late.

local redis = require 'redis'
local socket = require 'socket'

local options = { port = 0, order = 'early', seed = 1, timings = 20 }
for i = 1, #arg, 2 do
	local name = arg[i]:match '^%-%-(%a+)$'
	assert(name and options[name], 'no such option: ' .. arg[i])
	options[name] = name == 'order' and arg[i + 1] or tonumber(arg[i + 1])
end
math.randomseed(options.seed)

local clients, tags = {}, 0

local function tag(lag)
	tags = tags + 1
	return 'tag-' .. tags .. (lag and '~' .. lag .. '~' or '')
end

local function open()
	local client = redis.connect('127.0.0.1', options.port)
	local _, port = client.network.socket:getsockname()
	local known = { redis = client, socket = client.network.socket, port = port, operations = 0,
		wrong = 0, abandoned = 0, reused = 0, owed = false }
	clients[#clients + 1] = known
	return known
end

local function echo(client, request)
	client.operations = client.operations + 1
	if client.owed then
		client.reused = client.reused + 1
		client.owed = false
	end
	local answered, answer = pcall(client.redis.echo, client.redis, request)
	if not answered then
		assert(tostring(answer):find 'timeout', answer)
		return false
	end
	if answer ~= request then
		client.wrong = client.wrong + 1
	end
	return true
end

local function one_round()
	local client, clean = open(), open()
	for _ = 1, math.random(0, 3) do
		assert(echo(client, tag()))
	end
	assert(echo(clean, tag()))
	local lag, limit = math.random(30, 60), math.random(2, 10)
	client.socket:settimeout(limit / 1000)
	-- On a slow machine the reply can come first; then nothing was given up.
	if not echo(client, tag(lag)) then
		client.abandoned, client.owed = 1, true
	end
	client.socket:settimeout(5)
	local late = options.order == 'late'
	socket.sleep((late and lag - limit + math.random(10, 30) or math.random(0, math.floor(lag / 3)))
		/ 1000)
	for _ = 1, math.random(1, 3) do
		assert(echo(client, tag()))
	end
	assert(echo(clean, tag()))
end

for _ = 1, options.timings do
	one_round()
end

-- A pool outlives its last call: what its connections hold has the time to arrive, and rests.
socket.sleep(0.5)
local total = { operations = 0, wrong = 0, abandoned = 0 }
local connections = {}
for _, client in ipairs(clients) do
	for what in pairs(total) do
		total[what] = total[what] + client[what]
	end
	connections[#connections + 1] = string.format(
		'"%d": {"wrong": %d, "closed": false, "abandoned": %d, "reuse": %d}',
		client.port, client.wrong, client.abandoned, client.reused)
end
local pid = io.open('/proc/self/stat'):read '*n'
print(string.format(
	'{"workload": "lua-redis-timeout", "pid": %d, "operations": %d, "cancelled": %d, ' ..
	'"cancelled_owed": %d, "wrong": %d, "connections": {%s}}', pid, total.operations,
	total.abandoned, total.abandoned, total.wrong, table.concat(connections, ', ')))
