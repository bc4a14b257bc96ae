"""The ceiling of the pipeline: the bus's own client alone, in a loop that produces events and one that consumes them.

The bytes are those that ours sends, in the same batches, each of which is stored before the next, as a relay must have
it; what was consumed is acknowledged. Run as a program: takes a job as JSON, prints the seconds.
"""

import asyncio
import sys
import time
from typing import Any
from uuid import uuid4

import msgspec
import uvloop
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from redis.asyncio import Redis

from bench.pipeline import Job, Result, packets
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.cloud_event import to_binary
from nextbuy.kit.events.consumer import BATCH_SIZE as CONSUMER_BATCH
from nextbuy.kit.events.relay import BATCH_SIZE as RELAY_BATCH


def by_kafka(servers: str, count: int) -> Result:
    """Return what librdkafka needs.

    Raises:
        KafkaException: the cluster would not.
    """
    topic = f"ceiling.{uuid4().hex}"
    # Held until all is answered: what it was asked ends with it.
    admin = AdminClient({"bootstrap.servers": servers})
    made = admin.create_topics([NewTopic(topic, Kafka().partitions, 1)])
    made[topic].result(10)
    sent = [(packet.key.encode(), *to_binary(packet.body)) for packet in packets(count)]
    producer = Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 0}
    )
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "enable.auto.commit": False,
        }
    )
    producer.list_topics(topic, timeout=10)
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
    began, used = time.perf_counter(), time.process_time()
    for start in range(0, count, RELAY_BATCH):
        for key, headers, value in sent[start : start + RELAY_BATCH]:
            producer.produce(topic, value, key=key, headers=headers)
        producer.flush()
    got = 0
    while got < count:
        messages = consumer.consume(CONSUMER_BATCH, 1.0)
        for message in messages:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            message.headers(), message.value()
        got += len(messages)
        if messages:
            consumer.commit(asynchronous=True)
    result = Result(time.perf_counter() - began, time.process_time() - used)
    consumer.close()
    return result


async def by_redis(url: str, count: int) -> Result:
    """Return what redis-py needs."""
    sent = [packet.body for packet in packets(count)]
    stream = f"ceiling.{uuid4().hex}"
    async with Redis.from_url(url, protocol=2) as redis:
        await redis.xgroup_create(stream, "bench", "0", mkstream=True)
        began, used = time.perf_counter(), time.process_time()
        for start in range(0, count, RELAY_BATCH):
            pipeline = redis.pipeline(transaction=False)
            for body in sent[start : start + RELAY_BATCH]:
                pipeline.execute_command("XADD", stream, "*", "event", body)
            await pipeline.execute()
        got = 0
        while got < count:
            read: Any = await redis.xreadgroup("bench", "one", {stream: ">"}, count=CONSUMER_BATCH)
            for _, entries in read:
                got += len(entries)
                await redis.xack(stream, "bench", *[position for position, _ in entries])
        result = Result(time.perf_counter() - began, time.process_time() - used)
        await redis.delete(stream)
    return result


def main() -> None:
    """Do the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    if job.kafka:
        result = by_kafka(job.kafka, job.events)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(by_redis(job.redis, job.events))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
