# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's python3-redis as it is, asyncio: pipelines and subscriptions that are cancelled."""

import asyncio

from redis import asyncio as aredis

from correct import Truth, cancelled, loop_arguments, workers
from loops import run


async def pipelines(args, truth, client):
    async def clean(pipe, tags):
        for tag in tags:
            pipe.echo(tag)
        for tag, answer in zip(tags, await pipe.execute()):
            truth.judge(answer, tag)

    async def stuck(tags):
        async with client.pipeline(transaction=False) as pipe:
            pipe.echo(tags[0]).blpop(f"never-{tags[0]}", 0).echo(tags[1])
            await pipe.execute()

    async def work(number, varied):
        tags = [truth.tag() for _ in range(4)]
        async with client.pipeline(transaction=number % 2 == 0) as pipe:
            await clean(pipe, tags)
        await cancelled(truth, stuck(tags), varied.uniform(0, 0.003))

    await workers(args, work)


async def subscriptions(args, truth, client):
    async def speak(channel, messages, varied):
        for message in messages:
            await asyncio.sleep(varied.uniform(0, 0.004))
            await client.publish(channel, message)

    async def work(number, varied):
        tag = truth.tag()
        subscription = client.pubsub()
        await subscription.subscribe(tag)
        while (message := await subscription.get_message(timeout=0.001)) is None:
            truth.interrupted()
        truth.judge(message["type"], "subscribe")
        messages = [f"{tag}-{n}" for n in range(5)]
        speaker = asyncio.create_task(speak(tag, list(messages), varied))
        while messages:
            message = await subscription.get_message(timeout=0.001)
            if message is None:
                truth.interrupted()
                await asyncio.sleep(0.0005)
            else:
                truth.judge(message["data"], messages.pop(0))
        await speaker
        await subscription.close()

    await workers(args, work)


async def listeners(args, truth, client):
    """Whoever listens without a limit is cancelled, and the subscription is given up."""
    async def work(number, varied):
        tag = truth.tag()
        async with client.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(tag)

            async def listen():
                async for message in subscription.listen():
                    truth.judge(message["data"], tag)

            await client.publish(tag, tag)
            await cancelled(truth, listen(), varied.uniform(0.001, 0.006))
        truth.judge(await client.echo(tag), tag)

    await workers(args, work)


WAYS = {"pipelines": pipelines, "subscriptions": subscriptions, "listeners": listeners}


async def main(args):
    truth = Truth("correct_aredis")
    client = aredis.Redis(port=args.port, decode_responses=True)
    await WAYS[args.way](args, truth, client)
    truth.report()
    await client.close()
    await client.connection_pool.disconnect()


if __name__ == "__main__":
    parsed = loop_arguments(__doc__, tuple(WAYS)).parse_args()
    run(parsed, main(parsed))
