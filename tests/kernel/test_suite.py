"""Jupyter's own tests for kernels, on this one."""

import unittest

import jupyter_kernel_test
from helpers import FIRST_CELL_S, NAME


class AtomotionTests(jupyter_kernel_test.KernelTests):
    kernel_name = NAME
    language_name = "rust"
    file_extension = ".rs"

    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oops");'
    completion_samples = [
        {"text": "std::process::ab", "matches": {"abort"}},
        {"text": "suite_num", "matches": {"suite_number"}},
        {"text": "no_such_thing_at_", "matches": set()},
    ]
    complete_code_samples = ["1 + 1", "fn double(x: i32) -> i32 {\n    x * 2\n}", 'let a = "two words";', "// a comment"]
    incomplete_code_samples = ["fn double(x: i32) -> i32 {", "let a = (1,", 'let a = "open', "let a =", "/* open"]
    invalid_code_samples = ["let a = );", "}"]
    code_generate_error = 'Err::<(), &str>("no")?;'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"text"', "result": '"text"'},
        {"code": 'df!("n" => [1, 2])?', "mime": "text/html"},
    ]
    code_display_data = [
        {"code": 'atomotion::show::emit_html("<b>bold</b>", "bold");', "mime": "text/html"},
        {"code": 'atomotion::show::emit_html("<b>bold</b>", "bold");', "mime": "text/plain"},
        {"code": 'atomotion::show::emit_text("image/svg+xml", "<svg/>");', "mime": "image/svg+xml"},
    ]
    code_inspect_sample = "suite_number"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The suite gives each cell 15 s: the library is loaded before it starts to count.
        cls.kc.execute_interactive("let suite_number = 1;", timeout=FIRST_CELL_S, output_hook=lambda _: None)

    @unittest.skip("does not apply: the kernel has no pager (payloads are deprecated in Jupyter's protocol)")
    def test_pager(self):
        pass

    @unittest.skip("does not apply: the front end keeps the history; the kernel answers with an empty one")
    def test_history(self):
        pass

    @unittest.skip("does not apply: nothing in the library clears a cell's output; bars are updated in place")
    def test_clear_output(self):
        pass

    @unittest.skip("does not apply: iopub is a PUB socket, which sends no welcome (protocol 5.4's XPUB, optional)")
    def test_recv_iopub_welcome_msg(self):
        pass
