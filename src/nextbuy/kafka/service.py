"""Kafka: delivery of events, their comparison with event logs, dead letters, resends, and the traces of calls."""

from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.traces import StoreInteractions
from nextbuy.contracts.values import Role
from nextbuy.kafka.audit import audit
from nextbuy.kafka.comparison.compare_events import compare_events
from nextbuy.kafka.comparison.comparison_findings import comparison_findings
from nextbuy.kafka.comparison.purge_findings import purge_findings
from nextbuy.kafka.dead_letters.collect_parked_events import collect_parked_events
from nextbuy.kafka.dead_letters.dead_letter import dead_letter
from nextbuy.kafka.dead_letters.dead_letter_status import dead_letter_status
from nextbuy.kafka.dead_letters.dead_letters import dead_letters
from nextbuy.kafka.dead_letters.discard_dead_letter import discard_dead_letter
from nextbuy.kafka.dead_letters.purge_dead_letters import purge_dead_letters
from nextbuy.kafka.dead_letters.replay import replay
from nextbuy.kafka.dead_letters.replay_dead_letter import replay_dead_letter
from nextbuy.kafka.dead_letters.replay_dead_letters import replay_dead_letters
from nextbuy.kafka.dead_letters.replays import replays
from nextbuy.kafka.dead_letters.run_replays import run_replays
from nextbuy.kafka.delivery.deliver_events import deliver_events
from nextbuy.kafka.delivery.delivery_status import delivery_status
from nextbuy.kafka.delivery.outages import STUCK
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.give_up_stuck import give_up_stuck
from nextbuy.kafka.resends.run_resends import run_resends
from nextbuy.kafka.retry_stuck import retry_stuck
from nextbuy.kafka.stuck import stuck
from nextbuy.kafka.traces.purge_traces import purge_traces
from nextbuy.kafka.traces.store_interactions import store_interactions
from nextbuy.kafka.traces.traces import traces
from nextbuy.kit.service import Service, answers, get, job, post, task

_ADMINS = [Role.ADMIN]

SERVICE = Service(
    name="kafka",
    deps=Deps,
    routes=[
        get("dead-letters", dead_letters, who=_ADMINS),
        get("dead-letters/{id}", dead_letter, who=_ADMINS),
        post("dead-letters/replay", replay_dead_letters, who=_ADMINS, status=202),
        post("dead-letters/{id}/replay", replay_dead_letter, who=_ADMINS, status=202),
        post("dead-letters/{id}/discard", discard_dead_letter, who=_ADMINS),
        get("replays", replays, who=_ADMINS),
        get("replays/{replay_id}", replay, who=_ADMINS),
        get("comparison-findings", comparison_findings, who=_ADMINS),
        get("stuck", stuck, who=_ADMINS),
        post("stuck/{id}/retry", retry_stuck, who=_ADMINS, status=202),
        post("stuck/{id}/give-up", give_up_stuck, who=_ADMINS),
        get("audit", audit, who=_ADMINS),
        get("traces/{id}", traces, who=_ADMINS),
    ],
    calls=[answers(StoreInteractions, store_interactions)],
    publishes=[operator_acted_of("kafka")],
    jobs=[
        job("run-replays", run_replays, every=1.0, idle=5.0),
        job("collect-parked-events", collect_parked_events, every=30.0),
        job("run-resends", run_resends, every=2.0, idle=5.0),
        job("purge-dead-letters", purge_dead_letters, every=600.0),
        job("purge-findings", purge_findings, every=600.0),
        job("purge-traces", purge_traces, every=60.0),
    ],
    tasks=[task("deliver-events", deliver_events), task("compare-events", compare_events)],
    status=[delivery_status, dead_letter_status, STUCK.status],
)
