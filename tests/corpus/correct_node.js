// SPDX-License-Identifier: GPL-2.0-or-later
//
// Node clients with time-outs of their own. ioredis (commandTimeout): one connection, a queue of
// waiters, the late answer is thrown away. pg (query_timeout): the pool closes the connection.
// net: a pool of our own that destroys what timed out.

"use strict";

const net = require("node:net");
const path = require("node:path");
const { parseArgs } = require("node:util");

const cache = process.env.XDG_CACHE_HOME || path.join(process.env.HOME || "/root", ".cache");
module.paths.push(path.join(cache, "mispair", "npm", "node_modules"));

const options = parseArgs({
  options: {
    port: { type: "string" },
    way: { type: "string" },
    operations: { type: "string", default: "600" },
  },
}).values;
const port = Number(options.port);
const operations = Number(options.operations);
const truth = { workload: "correct_node", pid: process.pid, operations: 0, cancelled: 0,
                cancelled_owed: 0, wrong: 0, connections: {} };

function judge(answer, tag) {
  truth.operations++;
  truth.wrong += answer === tag ? 0 : 1;
}

function gaveUp() {
  truth.operations++;
  truth.cancelled++;
  truth.cancelled_owed++;
}

// Eight at a time.
async function workers(work) {
  let number = 0;
  const worker = async () => {
    while (number < operations)
      await work(number++);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function ioredis() {
  const Redis = require("ioredis");
  const client = new Redis({ port, commandTimeout: 4, maxRetriesPerRequest: null });
  await new Promise((resolve) => client.on("ready", resolve));
  await workers(async (number) => {
    const tag = `tag-${number}`;
    try {
      if (number % 40 === 0)
        await client.debug("SLEEP", "0.005");
      else
        judge(await client.echo(tag), tag);
    } catch (late) {
      if (late.message !== "Command timed out")
        throw late;
      gaveUp();
    }
  });
  client.disconnect();
}

async function pg() {
  const { Pool } = require("pg");
  const pool = new Pool({ host: "127.0.0.1", port, user: "corpus", database: "postgres", max: 8,
                          query_timeout: 8 });
  pool.on("error", () => {});
  await workers(async (number) => {
    const tag = `tag-${number}`;
    try {
      const slow = number % 3 === 0 ? 0.012 : 0;
      const result = await pool.query("SELECT $1::text AS tag, pg_sleep($2)", [tag, slow]);
      judge(result.rows[0].tag, tag);
    } catch (late) {
      if (late.message !== "Query read timeout")
        throw late;
      gaveUp();
    }
  });
  await pool.end();
}

async function destroying() {
  const free = [];
  const exchange = (tag, delay, limit) => new Promise((resolve, reject) => {
    const socket = free.pop() || net.connect({ port, host: "127.0.0.1", noDelay: true });
    let answer = "";
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error("late"));
    }, limit);
    socket.removeAllListeners("data");
    socket.on("data", (data) => {
      answer += data;
      if (!answer.endsWith("\n"))
        return;
      clearTimeout(timer);
      free.push(socket);
      resolve(answer.trim());
    });
    socket.write(`${tag} ${delay}\n`);
  });
  await workers(async (number) => {
    const tag = `tag-${number}`;
    try {
      judge(await exchange(tag, number % 7 * 1000, 4), tag);
    } catch (late) {
      gaveUp();
    }
  });
  free.forEach((socket) => socket.destroy());
}

const ways = { ioredis, pg, net: destroying };
ways[options.way]().then(() => console.log(JSON.stringify(truth)));
