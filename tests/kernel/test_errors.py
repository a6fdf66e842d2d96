"""A cell that fails says so to Jupyter, in the user's words and at the user's line, and the next cell works."""

import pytest
from helpers import PLACE, Kernel, assert_failed, assert_readable, caret, plain


@pytest.fixture(autouse=True)
def the_next_cell_works(kernel):
    yield
    cell = kernel.well("20 + 1")
    assert cell.result == "21", f"expected the cell after an error to work: {cell}"


def test_an_error_through_the_question_mark(kernel):
    cell = kernel.run('let a = 1;\nlet b: i32 = "x".parse()?;\na + b')
    assert_failed(cell, "Error", "invalid digit found in string", line=2)
    assert cell.error["evalue"] == "invalid digit found in string", cell.error["evalue"]


def test_an_error_of_the_library_leads_with_what_is_wrong(kernel):
    cell = kernel.run('let other = 3;\n\nlet missing = Movie::open("no-such-file.npy")?;')
    assert_failed(cell, "Error", "no-such-file.npy", line=3)


def test_a_question_mark_inside_a_block_or_a_loop_is_placed(kernel):
    cell = kernel.run('for text in ["1", "2", "three"] {\n    let number: i32 = text\n        .trim()\n        .parse()?;\n'
                      '    println!("{number}");\n}')
    assert_failed(cell, "Error", "invalid digit")
    assert cell.stdout == "1\n2\n", f"expected what came before the error: {cell}"
    # Rust places a `?` where the expression begins that it ends.
    assert cell.places and cell.places[0] == (cell.count, 2), f"expected line 2: {cell}"


def test_variables_of_earlier_cells_survive_an_error(kernel):
    kernel.well("let survivor = vec![1, 2, 3];")
    assert_failed(kernel.run('println!("{}", survivor.len()); Err::<(), &str>("later")?;'), "Error", "later", line=1)
    assert kernel.well("survivor.len()").result == "3"
    assert_failed(kernel.run('println!("{}", survivor.len()); panic!("later");'), "Panic", "later", line=1)
    assert kernel.well("survivor.len()").result == "3"


def test_a_panic_in_the_cell(kernel):
    cell = kernel.run('let a = 1;\nlet unused = 2;\npanic!("broken at {a}");')
    assert_failed(cell, "Panic", line=3)
    assert cell.error["evalue"] == "broken at 1", cell.error["evalue"]
    assert not cell.stderr.strip(), f"expected the panic once, as an error, not on stderr too: {cell.stderr!r}"


def test_a_panic_inside_the_standard_library_points_to_the_cell(kernel):
    cell = kernel.run("let list: Vec<i32> = vec![1];\nlet at = 3;\nlist[at]")
    assert_failed(cell, "Panic", "index out of bounds: the len is 1 but the index is 3", line=3)
    cell = kernel.run("let nothing: Option<i32> = None;\nnothing.unwrap()")
    assert_failed(cell, "Panic", "`Option::unwrap()` on a `None` value", line=2)


def test_a_panic_inside_the_library_points_to_the_cell(kernel):
    cell = kernel.run("let grid = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));\ngrid.reshape([7])")
    assert_failed(cell, "Panic", "shape '[7]' is invalid", line=2)


def test_a_panic_inside_a_function_of_an_earlier_cell_points_there(kernel):
    defined = kernel.well("fn third(list: &[i32]) -> i32 {\n    let at = 3;\n    list[at]\n}")
    cell = kernel.run("let few = [1, 2];\nthird(&few)")
    assert_failed(cell, "Panic", "index out of bounds", line=3, of=defined.count)


def test_a_panic_in_a_thread_that_is_joined(kernel):
    cell = kernel.run('let a = 1;\nstd::thread::spawn(|| {\n    panic!("in a thread");\n}).join().unwrap();')
    assert_failed(cell, "Panic")
    assert "in a thread" in cell.traceback + plain(cell.stderr), f"expected the thread's own words: {cell}"
    assert (cell.count, 3) in cell.places or (cell.count, 4) in cell.places, f"expected line 3 or 4: {cell}"


def test_a_panic_in_a_thread_that_nobody_joins_is_told_and_harms_nothing(kernel):
    cell = kernel.well('let ended = std::thread::spawn(|| panic!("apart")).join().is_err();\nended')
    assert cell.result == "true"
    assert "apart" in plain(cell.stderr + cell.stdout), f"expected to read of the panic: {cell}"
    assert_readable(cell)


def test_a_panic_that_is_caught_is_no_error(kernel):
    cell = kernel.well('std::panic::catch_unwind(|| panic!("caught")).is_err()')
    assert cell.result == "true", cell
    assert_readable(cell)


def test_the_backtrace_of_the_last_panic_can_be_read(kernel):
    kernel.well("fn deepest() { panic!(\"for the backtrace\") }\nfn middle() { deepest() }")
    short = kernel.run("middle()")
    assert_failed(short, "Panic", "for the backtrace", ":backtrace")
    full = kernel.well(":backtrace")
    text = plain(full.stdout + full.stderr + "".join(data.get("text/plain", "") for data in full.displays))
    assert "for the backtrace" in text and "deepest" in text and "middle" in text, f"expected the frames: {full}"
    assert text.index("deepest") < text.index("middle"), f"expected the innermost first: {text}"


CRASHES = [
    ("std::process::abort();", ["abort"]),
    ("let p = 8 as *mut u8;\nunsafe { p.write_volatile(1) };", ["segmentation fault", "sigsegv", "memory"]),
    ("std::process::exit(3);", ["3"]),
    ("fn deep(n: u64) -> u64 { if n == u64::MAX { 0 } else { 1 + deep(n + 1) } }\ndeep(0)", ["stack"]),
]


@pytest.mark.parametrize("code, words", CRASHES, ids=["abort", "segfault", "exit", "stack-overflow"])
def test_a_crash_is_an_error_that_says_what_was_lost(kernel, code, words):
    kernel.well("let lost_by_crash = 1;\nlet also_lost = 2;")
    cell = kernel.run("println!(\"last words\");\n" + code)
    assert_failed(cell, "Crash")
    text = f"{cell.error['evalue']}\n{cell.traceback}"
    assert any(word in text.lower() for word in words), f"expected one of {words}: {cell}"
    assert "lost_by_crash" in text and "also_lost" in text, f"expected the lost variables to be named: {cell}"
    assert "last words" in cell.stdout, f"expected what it printed before: {cell}"
    gone = kernel.run("lost_by_crash")
    assert_failed(gone, "CompileError", "lost_by_crash")


def test_functions_and_types_outlive_a_crash(kernel):
    kernel.well("use std::collections::BTreeMap;\nfn doubled(x: i32) -> i32 { x * 2 }")
    assert_failed(kernel.run("std::process::abort();"), "Crash")
    assert kernel.well("let map: BTreeMap<i32, i32> = BTreeMap::new();\ndoubled(21) + map.len() as i32").result == "42"


COMPILE = [
    # name, code, line, what is underlined, words
    ("plain", "let a = 1;\na + wrong", 2, "wrong", "cannot find value `wrong`"),
    ("after a use", "use std::collections::HashMap;\nlet m: HashMap<i32, i32> = HashMap::new();\nm.nothing()", 3,
     "nothing", "no method named `nothing`"),
    ("after a struct", "#[derive(Debug)]\nstruct Site { y: f32 }\nlet site = Site { y: 1.0 };\nsite.x", 4, "x",
     "no field `x`"),
    ("after a function", "fn half(x: f64) -> f64 {\n    x / 2.0\n}\nlet h = half(1.0);\n    half(\"one\")", 5, "\"one\"",
     "mismatched types"),
    ("inside a function", "fn bad() -> i32 {\n    let text = \"a\";\n    text\n}", 3, "text", "mismatched types"),
    ("unicode before it", "let größe = \"µ🦀\"; größe + wröng", 1, "wröng", "cannot find value `wröng`"),
    ("several lines", "let list = [1, 2]\n    .iter()\n    .map(|n| n * factor)\n    .sum::<i32>();", 3, "factor",
     "cannot find value `factor`"),
    ("items between statements", "let a = 1;\nfn f() -> i32 { 3 }\nlet b = a + f();\nuse std::fmt::Debug;\nb + none", 5,
     "none", "cannot find value `none`"),
    ("a tab", "let a = 1;\n\ta + wrong_tab", 2, "wrong_tab", "cannot find value `wrong_tab`"),
]


@pytest.mark.parametrize("code, line, underlined, words", [case[1:] for case in COMPILE], ids=[c[0] for c in COMPILE])
def test_compile_errors_point_into_the_cell(kernel, code, line, underlined, words):
    cell = kernel.run(code)
    assert_failed(cell, "CompileError", words, line=line)
    assert caret(cell, line) == underlined, f"expected {underlined!r} underlined, seen {caret(cell, line)!r}: {cell}"


SYNTAX = [
    ("unclosed brace", "fn f() {\n    1", None),
    ("unclosed bracket", "let a = [1, 2;\nlet b = 3;", 1),
    ("stray brace", "let a = 1;\n}", 2),
    ("two expressions", "let a = 1\nlet b = 2;", 1),
    ("not Rust at all", "%matplotlib inline", 1),
    ("python", "import numpy as np\nx = [i for i in range(3)]", None),
]


@pytest.mark.parametrize("code, line", [case[1:] for case in SYNTAX], ids=[case[0] for case in SYNTAX])
def test_syntax_errors_are_readable(kernel, code, line):
    cell = kernel.run(code)
    assert_failed(cell, "CompileError")
    assert cell.places, f"expected a place: {cell}"
    assert line is None or (cell.count, line) in cell.places, f"expected line {line}, seen {cell.places}: {cell}"


def test_several_errors_are_all_told(kernel):
    cell = kernel.run("let a = first_wrong;\nlet b = second_wrong;")
    assert_failed(cell, "CompileError", "first_wrong", "second_wrong", line=1)
    assert (cell.count, 2) in cell.places, f"expected line 2 as well: {cell}"


def test_a_type_that_cannot_show_itself_is_explained(kernel):
    cell = kernel.run("struct Bare;\nBare")
    assert_failed(cell, "CompileError", "Bare", "Debug")


def test_errors_are_coloured(kernel):
    for code in ["let a = wrong;", 'panic!("red")', 'Err::<(), &str>("red")?;']:
        cell = kernel.run(code)
        assert cell.error and "\x1b[" in "".join(cell.error["traceback"]), f"expected colours: {cell!r}"


def test_a_cell_that_does_not_compile_changes_nothing(kernel):
    kernel.well("let steady = 5;")
    assert_failed(kernel.run("let steady = 6; let other = wrong;"), "CompileError", "wrong")
    assert kernel.well("steady").result == "5"


def test_an_unknown_command_is_named(kernel):
    cell = kernel.run(":nonsense")
    assert_failed(cell, "CommandError", ":nonsense")


def test_warnings_do_not_fail_a_cell_and_stay_out_of_the_way(kernel):
    cell = kernel.well("let _unused = 1;\nlet mut never_changed = 2;\nnever_changed + 1")
    assert cell.result == "3" and not cell.stderr.strip(), f"expected no warnings: {cell}"


def test_the_first_error_of_a_kernel_is_as_readable_as_later_ones():
    with Kernel() as kernel:
        cell = kernel.run("let a = 1;\na + wrong", 180)
        assert_failed(cell, "CompileError", "wrong", line=2)
        assert PLACE.search(cell.traceback)[0] == "cell [1], line 2", cell.traceback
