"""The ceiling of the pipeline: the client of the bus alone, in a loop that produces events and one that consumes them.

It sends the same bytes as the relay in the same batches, stores each batch before the next, and acknowledges what it
consumes. As a program: reads a job as JSON and prints the seconds.
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

from bench.pipeline import Job, Result, bus_messages
from nextbuy.contracts.delivery import MAX_EVENTS as CONSUMER_BATCH
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.cloud_event import to_binary
from nextbuy.kit.events.relay import BATCH_SIZE as RELAY_BATCH


def by_kafka(servers: str, count: int) -> Result:
    """Measure librdkafka.

    Raises:
        KafkaException: the cluster refused a request.
    """
    topic = f"ceiling.{uuid4().hex}"
    # In a variable, since its requests are cancelled when it is deleted.
    admin = AdminClient({"bootstrap.servers": servers})
    made = admin.create_topics([NewTopic(topic, Kafka().partitions, 1)])
    made[topic].result(10)
    sent = [(message.key.encode(), *to_binary(message.body)) for message in bus_messages(count)]
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
    started, used = time.perf_counter(), time.process_time()
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
    result = Result(time.perf_counter() - started, time.process_time() - used)
    consumer.close()
    return result


async def by_redis(url: str, count: int) -> Result:
    """Measure redis-py in the same way."""
    sent = [message.body for message in bus_messages(count)]
    stream = f"ceiling.{uuid4().hex}"
    async with Redis.from_url(url, protocol=2) as redis:
        await redis.xgroup_create(stream, "bench", "0", mkstream=True)
        started, used = time.perf_counter(), time.process_time()
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
        result = Result(time.perf_counter() - started, time.process_time() - used)
        await redis.delete(stream)
    return result


def main() -> None:
    """Run the job of standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    if job.kafka:
        result = by_kafka(job.kafka, job.events)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(by_redis(job.redis, job.events))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
