import os

from bench.machine import memory_of_tree, parent_in, pss_in, ticks_in, tree


def test_tree_contains_process_and_descendants() -> None:
    assert os.getpid() in tree(os.getppid())


def test_parent_is_found_with_any_process_name() -> None:
    assert parent_in("17 (a (bad) name) S 4 17 17 0") == 4


def test_proportional_set_size_is_read() -> None:
    assert pss_in("00400000-7fff rollup\nRss:  900 kB\nPss:  512 kB\nPss_Anon: 1 kB\n") == 512
    assert pss_in("") == 0


def test_process_has_memory() -> None:
    assert sum(memory_of_tree(os.getpid()).values()) > 1


def test_processor_time_includes_kernel_mode() -> None:
    assert ticks_in("17 (a (bad) name) S 4 17 17 0 -1 4194304 1 2 3 4 70 30 0 0 20") == 100
