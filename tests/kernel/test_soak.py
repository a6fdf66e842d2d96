"""A long session: a kernel after hundreds of cells is as quick as at first, and has not grown beyond measure."""

import statistics

import psutil
import pytest
from helpers import FIRST_CELL_S, FULL, Kernel

CELLS = 500
EDGE = 50
"""So many cells at either end are compared."""
WARM_UP = 30
"""Memory is counted from here: by then every kind of cell has run."""
USER_MB, KERNEL_MB, SLOWER = 1.0, 0.2, 1.2
PICTURE = 'atomotion::show::emit_html("<b>{n}</b>", "{n}");'

# What people write, over and over: each is a cell, `n` its number.
KINDS = [
    ("let count_{n} = {n};", "ok"),
    ("count_{m} + 1", "ok"),
    ("let total = (0..1000).map(|k| k * {n}).sum::<i64>();\ntotal", "ok"),
    ('println!("line {n}"); eprintln!("warned {n}");', "ok"),
    ('let table = df!("n" => [{n}, 2, 3], "x" => [1.0, 2.0, 3.0])?;\ntable', "ok"),
    ('table.clone().lazy().filter(col("n").gt(lit(1))).select([col("x").sum()]).collect()?', "ok"),
    ("let tensor = Tensor::ones([16, 16], (Kind::Float, Device::Cpu)) * {n} as f64;\ntensor.sum(Kind::Float)", "ok"),
    ("let image = Array2::<f32>::from_shape_fn((64, 64), |(y, x)| ((y * x) % ({n}_usize).max(2)) as f32);\nimage.sum()", "ok"),
    ("fn cubed_{n}(x: i64) -> i64 {{ x * x * x }}\ncubed_{n}(3)", "ok"),
    ("#[derive(Debug, Clone)]\nstruct Site{n} {{ y: f32 }}\nlet site_{n} = Site{n} {{ y: 1.0 }};\nsite_{n}.clone()", "ok"),
    ("let boxed: Box<dyn Fn(i64) -> i64> = Box::new(|k| k + {n});\nboxed(1)", "ok"),
    (PICTURE, "ok"),
    ("let movie = Ws2::default().with_size_px(64).simulate({n})?.movie;\nmovie", "ok"),
    ("let count_{n}: i64 = {n};\nlet text_{n} = format!(\"{{count_{n}}}\");\ntext_{n}.len()", "ok"),
    ("undefined_{n}", "error"),
    ('let number: i32 = "x{n}".parse()?;', "error"),
    ('let list = vec![1, 2];\nif list.len() > {n} {{ 0 }} else {{ list[{n}] }}', "error"),
]


def code_of(n):
    """The n-th cell. `m` is the last cell that defined a variable of its own."""
    code, status = KINDS[n % len(KINDS)]
    return code.format(n=n, m=n - n % len(KINDS)), status


def proportional_mb(process):
    """What the process and its children hold, shared pages counted in part."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            pass
    return total / 1e6


def memory_mb(kernel):
    """Of the user's process, and of the kernel's without it."""
    user = proportional_mb(kernel.user_process())
    return user, proportional_mb(kernel.process()) - user


@pytest.mark.skipif(not FULL, reason=f"{CELLS} cells take minutes: `cargo lab test --full`")
@pytest.mark.timeout(1800)
def test_hundreds_of_cells_in_one_kernel(figures):
    took, memory = [], {}
    with Kernel() as kernel:
        kernel.well("()", FIRST_CELL_S, store_history=False)
        process = kernel.user_process()
        for n in range(CELLS):
            code, status = code_of(n)
            cell = kernel.run(code)
            assert cell.status == status, f"cell {n}: expected {status}: {cell}"
            took.append(cell.took)
            if n + 1 in (WARM_UP, CELLS) or n % 100 == 99:
                memory[n + 1] = memory_mb(kernel)
                figures(f"{n + 1} cells: user {memory[n + 1][0]:.0f} MB, kernel {memory[n + 1][1]:.0f} MB, "
                        f"median of the last {EDGE} cells {statistics.median(took[-EDGE:]):.3f} s")
            kernel.log.clear()
            kernel.published.clear()
            kernel.replies.clear()
        assert kernel.user_process() == process, "expected one process for all cells"
        assert kernel.well("count_0 + 1").result == "1", "expected the first variable to be there"
    first, last = (statistics.median(part) for part in (took[:EDGE], took[-EDGE:]))
    user, rest = ((memory[CELLS][k] - memory[WARM_UP][k]) / (CELLS - WARM_UP) for k in (0, 1))
    figures(f"growth a cell: user's process {user:.3f} MB, kernel {rest:.3f} MB; "
            f"median of the first {EDGE} cells {first:.3f} s, of the last {last:.3f} s")
    assert user <= USER_MB, f"expected the user's process to grow by at most {USER_MB} MB a cell, seen {user:.2f}"
    assert rest <= KERNEL_MB, f"expected the kernel to grow by at most {KERNEL_MB} MB a cell, seen {rest:.2f}"
    assert last <= SLOWER * first, f"expected the last cells within 20 % of the first: {first:.3f} s, then {last:.3f} s"
