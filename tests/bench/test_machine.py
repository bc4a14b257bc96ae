import os

from bench.machine import memory_of_tree, parent_in, pss_in, ticks_in, tree


def test_a_process_is_found_with_all_below_it() -> None:
    assert os.getpid() in tree(os.getppid())


def test_the_parent_is_found_whatever_a_process_is_called() -> None:
    assert parent_in("17 (a (bad) name) S 4 17 17 0") == 4


def test_shared_memory_is_counted_by_shares() -> None:
    assert pss_in("00400000-7fff rollup\nRss:  900 kB\nPss:  512 kB\nPss_Anon: 1 kB\n") == 512
    assert pss_in("") == 0


def test_a_process_takes_some_memory() -> None:
    assert sum(memory_of_tree(os.getpid()).values()) > 1


def test_processor_time_is_what_the_process_and_the_kernel_took_for_it() -> None:
    assert ticks_in("17 (a (bad) name) S 4 17 17 0 -1 4194304 1 2 3 4 70 30 0 0 20") == 100
