"""The registry of calls and events is complete, without duplicates."""

import re
from typing import Any

from nextbuy.contracts import (
    auth,
    comparison,
    delivery,
    order,
    parking,
    product,
    product_offers,
    registry,
    seller,
    simulator,
    status,
    traces,
)
from nextbuy.contracts.comparison import list_logged_events_of, missing_events_of, read_logged_events_of
from nextbuy.contracts.delivery import receive_events_of
from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.operator import OPERATOR_EVENTS
from nextbuy.contracts.parking import list_parked_events_of, read_parked_events_of, replay_parked_events_of
from nextbuy.contracts.registry import CALLS, EVENTS, PUBLISHERS, SUBSCRIBERS
from nextbuy.contracts.status import get_status_of
from nextbuy.host.composition import SERVICES, destinations, publishers

PARKING = (list_parked_events_of, read_parked_events_of, replay_parked_events_of)


def test_registry_lists_every_call_and_event() -> None:
    modules = (auth, comparison, delivery, order, parking, product, product_offers, seller, simulator, status, traces)
    declared = [
        word
        for module in modules
        for word in vars(module).values()
        if isinstance(word, type) and issubclass(word, Call | Event) and word.__module__ == module.__name__
    ]
    calls = {word for word in declared if issubclass(word, Call) and hasattr(word, "to")}
    events = {word for word in declared if issubclass(word, Event) and hasattr(word, "topic")}
    made: set[type[Call[Any]]] = {get_status_of(service) for service in SERVICES}
    made |= {make(service) for service in SUBSCRIBERS for make in (receive_events_of, missing_events_of)}
    made |= {
        make(service) for service in PUBLISHERS for make in (*PARKING, list_logged_events_of, read_logged_events_of)
    }
    assert calls | made == set(CALLS)
    assert events | set(OPERATOR_EVENTS) == set(EVENTS)


def test_topics_and_paths_are_unique() -> None:
    assert len({event.topic for event in EVENTS}) == len(EVENTS)
    assert len({call.path for call in CALLS}) == len(CALLS)
    assert all(event.key in event.__struct_fields__ for event in EVENTS)


def test_events_are_delivered_to_each_service_that_subscribes() -> None:
    assert [destination.name for destination in destinations()] == [
        name for name, hosted in SERVICES.items() if hosted.service.subscriptions
    ]
    assert sorted(destination.name for destination in destinations()) == sorted(SUBSCRIBERS), (
        "list the services that subscribe in contracts/registry.py: SUBSCRIBERS"
    )


def test_names_of_subscriptions_are_lower_case_words_with_hyphens() -> None:
    names = [one.name for hosted in SERVICES.values() for one in hosted.service.subscriptions]

    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []


def test_only_the_gateway_asks_every_service_for_its_status() -> None:
    assert sorted(registry.SERVICES) == sorted(SERVICES)
    for service in SERVICES:
        call = get_status_of(service)
        assert (call.path, call.callers) == (f"/{service}/internal/get-status", ("gateway",))


def test_only_the_kafka_service_delivers_events_and_no_retry_is_hidden_from_it() -> None:
    for service in SUBSCRIBERS:
        call = receive_events_of(service)
        assert (call.path, call.to) == (f"/{service}/internal/receive-events", service)
        assert (call.callers, call.idempotent) == (("kafka",), False)


def test_only_the_kafka_service_asks_publishers_for_parked_events() -> None:
    for service in PUBLISHERS:
        calls = [of(service) for of in PARKING]
        assert [call.path for call in calls] == [
            f"/{service}/internal/{verb}-parked-events" for verb in ("list", "read", "replay")
        ]
        assert {(call.to, call.callers, call.idempotent) for call in calls} == {(service, ("kafka",), True)}


def test_event_logs_of_all_publishers_are_compared() -> None:
    assert {publisher.name: set(publisher.topics) for publisher in publishers()} == {
        name: {event.topic for event in hosted.service.publishes}
        for name, hosted in SERVICES.items()
        if hosted.service.publishes
    }
    assert sorted(publisher.name for publisher in publishers()) == sorted(PUBLISHERS)
    assert {topic for publisher in publishers() for topic in publisher.topics} == {event.topic for event in EVENTS}


def test_only_the_kafka_service_compares_events_and_may_repeat_it() -> None:
    calls: list[type[Call[Any]]] = [missing_events_of(name) for name in SUBSCRIBERS]
    calls += [make(name) for name in PUBLISHERS for make in (list_logged_events_of, read_logged_events_of)]
    for call in calls:
        assert (call.callers, call.idempotent) == (("kafka",), True)


def test_destination_has_every_subscription_of_each_topic() -> None:
    for destination in destinations():
        declared = SERVICES[destination.name].service.subscriptions
        for topic, names in destination.topics.items():
            assert names == [one.name for one in declared if topic in {event.topic for event in one.events}]
        assert destination.topics.keys() == {event.topic for one in declared for event in one.events}


def test_names_of_subscriptions_are_unique_in_their_service() -> None:
    for hosted in SERVICES.values():
        names = [one.name for one in hosted.service.subscriptions]
        assert sorted(names) == sorted(set(names))
