"""Long calls leave the interpreter: other threads run, Ctrl-C works, forks do not hang.

Each case runs in a process of its own under a watchdog, because a failure here is a hang.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from fixtures import ROOT

pytestmark = pytest.mark.slow

WATCHDOG = 60.0
TOKENIZER = ROOT / "python" / "turnmill" / "demo" / "tokenizer"
PRELUDE = f"""
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import turnmill
tokenizer = turnmill.Tokenizer({str(TOKENIZER)!r})
texts = ["the quick brown fox says 你好 " * 20] * 200
expected = tokenizer.encode_batch(texts, threads=1)[0].tolist()
"""


def start(script: str) -> subprocess.Popen[str]:
    """A Python process that runs the script after the prelude."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
    )


def run(script: str) -> str:
    """What the script prints; fails if it hangs."""
    with start(script) as process:
        try:
            out, err = process.communicate(timeout=WATCHDOG)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail("the script hangs")
    assert process.returncode == 0, err
    return out.strip()


ENDLESS = """
endless = ["".join(texts)] * 100_000
def call():
    tokenizer.encode_batch(endless, threads={threads})
"""


ENCODER = """
recipe = turnmill.Recipe(tokenizer=tokenizer.path)
rows = [{{"text": "".join(texts)}}] * 100_000
def call():
    turnmill.Encoder(recipe).encode(rows, threads={threads})
"""

SHARD = """
recipe = turnmill.Recipe(tokenizer=tokenizer.path)
from turnmill.encoder.session import Session, ShardOptions
shard = Session(recipe).open_shard(ShardOptions("text", "x", threads={threads}))
block = b'{{"text": "' + "".join(texts).encode() + b'"}}\\n'
def call():
    shard.feed_bytes(block * 1000)
"""

INTERRUPTED = """
sent = None
def interrupt():
    global sent
    # Once the call has been at work for a while.
    while time.process_time() - begun < 0.5:
        time.sleep(0.01)
    sent = time.process_time()
    os.kill(os.getpid(), signal.SIGINT)
begun = time.process_time()
threading.Thread(target=interrupt, daemon=True).start()
try:
    while True:
        call()
except KeyboardInterrupt:
    print(time.process_time() - sent, flush=True)
    raise
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("work", [ENDLESS, ENCODER, SHARD], ids=["tokenizer", "encoder", "shard"])
def test_ctrl_c_ends_a_long_call_within_a_second(work: str, threads: int) -> None:
    """Of processor time: the clock on the wall counts what else the machine does."""
    with start(work.format(threads=threads) + INTERRUPTED) as process:
        try:
            out, err = process.communicate(timeout=WATCHDOG)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail("Ctrl-C is ignored")
    assert "KeyboardInterrupt" in err
    assert float(out) < threads
    assert process.returncode in (1, 130, -signal.SIGINT)


def test_a_handler_of_the_user_interrupts_too() -> None:
    out = run(
        """
        class Stop(Exception): pass
        def handler(*_): raise Stop
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            tokenizer.encode_batch(["".join(texts)] * 100_000)
        except Stop:
            print("stopped", tokenizer.encode_batch(texts)[0].tolist() == expected)
        """
    )
    assert out == "stopped True"


def test_other_threads_run_during_a_call() -> None:
    """Each call counts alone: if it held the interpreter, a thread would run at its edges only."""
    out = run(
        """
        ticks, done = 0, threading.Event()
        def tick():
            global ticks
            while not done.is_set():
                ticks += 1
                time.sleep(0.001)
        ticker = threading.Thread(target=tick)
        ticker.start()
        batch, seen = texts * 20, 0
        while seen < 20:
            before = ticks
            tokenizer.encode_batch(batch, threads=2)
            seen = max(seen, ticks - before)
            # A fast machine is done with a short batch before the ticker has run that often.
            if len(batch) < 500_000:
                batch = batch * 2
        print("ran")
        done.set(); ticker.join()
        """
    )
    assert out == "ran"


def test_many_threads_may_call_at_once() -> None:
    out = run(
        """
        results = []
        def work():
            for _ in range(3):
                results.append(tokenizer.encode_batch(texts, threads=2)[0].tolist() == expected)
        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        print(len(results), all(results))
        """
    )
    assert out == "24 True"


def test_an_encoder_works_on_after_a_fork() -> None:
    out = run(
        """
        encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=tokenizer.path))
        rows = [{"text": text} for text in texts] * 20
        first = encoder.encode(rows, threads=2).table
        child = os.fork()
        if not child:
            os._exit(0 if encoder.encode(rows, threads=2).table.equals(first) else 9)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), encoder.encode(rows).table.equals(first))
        """
    )
    assert out == "0 True"


def test_templates_and_encoders_are_shared_between_threads() -> None:
    out = run(
        """
        encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=tokenizer.path))
        template = turnmill.Template(tokenizer.path)
        chat = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "二"}]
        rows = [{"messages": chat}] * 500
        table, text = encoder.encode(rows, threads=1).table, template.render(chat).text
        results = []
        def work():
            results.append(encoder.encode(rows, threads=2).table.equals(table))
            results.append(all(template.render(chat).text == text for _ in range(200)))
        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        print(len(results), all(results))
        """
    )
    assert out == "16 True"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pickled_encoder_works_in_process_pools(method: str) -> None:
    out = run(
        f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        encoder = turnmill.Encoder(turnmill.Recipe(tokenizer=tokenizer.path), embed=True)
        rows = [{{"text": text}} for text in texts]
        expected = encoder.encode(rows, threads=2)
        context = multiprocessing.get_context({method!r})
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            for encoded in pool.map(encoder.encode, [rows] * 4):
                print(encoded.table.equals(expected.table))
        """
    )
    assert out.split() == ["True"] * 4


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_runs_in_processes_and_threads_at_once(method: str) -> None:
    out = run(
        f"""
        import multiprocessing, tempfile
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        recipe = turnmill.Recipe(tokenizer=tokenizer.path)
        rows = [{{"text": text}} for text in texts]
        folder = tempfile.mkdtemp()
        first = turnmill.prepare(rows, folder + "/first", recipe, threads=2)
        context = multiprocessing.get_context({method!r})
        with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, mp_context=context) as pool:
            runs = [
                workers.submit(turnmill.prepare, rows, f"{{folder}}/{{n}}", recipe, threads=2)
                for n, workers in enumerate([pool, threads, pool, threads])
            ]
            for run in runs:
                print(run.result(50).totals == first.totals)
        """
    )
    assert out.split() == ["True"] * 4


def test_a_forked_child_has_threads_of_its_own() -> None:
    out = run(
        """
        tokenizer.encode_batch(texts, threads=2)
        for generation in range(3):
            child = os.fork()
            if child:
                break
            same = tokenizer.encode_batch(texts, threads=2)[0].tolist() == expected
            if not same:
                os._exit(9)
        if child:
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            if generation:
                os._exit(code)
            print(code, tokenizer.encode_batch(texts, threads=2)[0].tolist() == expected)
        else:
            os._exit(0)
        """
    )
    assert out == "0 True"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pickled_tokenizer_works_in_process_pools(method: str) -> None:
    out = run(
        f"""
        import multiprocessing, operator
        from concurrent.futures import ProcessPoolExecutor
        tokenizer.encode_batch(texts, threads=2)
        call = operator.methodcaller("encode_batch", texts, threads=2)
        context = multiprocessing.get_context({method!r})
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            for ids, _ in pool.map(call, [tokenizer] * 4):
                print(ids.tolist() == expected)
        """
    )
    assert out.split() == ["True"] * 4
