#!/usr/bin/env python3
"""Compares the processor time a request that programs of two versions take, in turns within one run.

    cargo build --release --bin hotlist --example loadgen    # in a checkout of each version
    examples/compare_servers.py --rounds 4 --loadgen LOADGEN OLD_PROGRAM NEW_PROGRAM

Each round starts each program on an empty directory, adds entries, and reads them. The order of the programs alternates,
so that a machine that becomes slower or faster meets both alike. The programs and the load generator share the machine.
"""

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    """Processor time of a process so far, of user and kernel, from /proc (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(program, arguments):
    """Microseconds of processor time and requests a second, of additions and of reads."""
    with tempfile.TemporaryDirectory(dir=arguments.directory) as data:
        command = [program, "--data", data, "--listen", "127.0.0.1:0", "--log", "warn"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            address = re.search(r"http://(\S+)", server.stdout.readline()).group(1)
            return {mode: load(mode, address, server.pid, arguments) for mode in ("post", "get")}
        finally:
            server.terminate()
            server.wait()


def load(mode, address, pid, arguments):
    command = [arguments.loadgen, "--address", address, "--mode", mode, "--connections", "64", "--lists", "1000"]
    used, begun = processor_seconds(pid), time.monotonic()
    subprocess.run([*command, "--requests", str(arguments.requests)], check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - begun
    return (processor_seconds(pid) - used) / arguments.requests * 1e6, arguments.requests / took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    parser.add_argument("--loadgen", required=True, help="the built example loadgen")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=100_000, help="of each kind, in each round")
    parser.add_argument("--directory", help="where the data of the servers is kept meanwhile")
    arguments = parser.parse_args()
    rounds = {program: [] for program in arguments.programs}
    for number in range(arguments.rounds):
        for program in arguments.programs if number % 2 == 0 else reversed(arguments.programs):
            rounds[program].append(measure(program, arguments))
    for program, measured in rounds.items():
        for mode in ("post", "get"):
            costs, rates = zip(*(one[mode] for one in measured))
            each = " ".join(f"{cost:.1f}" for cost in costs)
            median = f"{statistics.median(costs):.1f} us, {statistics.median(rates):,.0f} requests a second"
            print(f"{program} {mode}: median {median} (us in each round: {each})")


if __name__ == "__main__":
    main()
