//! `cargo lab test`: every check, test and notebook, and an account of them at the end.

use crate::args::{CELL_TIMEOUT_S, Run};
use crate::board::clock;
use crate::docs;
use crate::jupyter;
use crate::notebook;
use crate::place::Place;
use crate::process;
use crate::rust::Rust;
use crate::setup;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Each package by itself: together their features would unify, and the dependencies build twice.
const PACKAGES: [&str; 3] = ["atomotion", "atomotion-kernel", "lab"];

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// Tests that cargo ignored.
    ignored: usize,
    /// What said that it was skipped, and why.
    skipped: Vec<String>,
    failures: Vec<String>,
}

struct Part {
    name: &'static str,
    budget_min: u64,
    took: Duration,
}

/// True when nothing failed.
pub fn test(place: &Place, full: bool) -> Result<bool, String> {
    let folder = place.dot.join("test");
    let skipped = folder.join("skipped.txt");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    fs::write(&skipped, "").map_err(|error| format!("{}: {error}", skipped.display()))?;
    let mut session = Session { place, full, skipped, tally: Tally::default(), parts: Vec::new() };

    let environment = match session.part("set-up", 28, |_| setup::set_up(place)) {
        Ok(environment) => environment,
        Err(error) => {
            eprintln!("error: {error}");
            process::print("\nnothing was tested: the set-up failed\n\n0 passed, 1 failed, 0 skipped\n");
            return Ok(false);
        }
    };
    session.part("checks and rustdoc", 7, Session::checks);
    session.part("tests", 8, |session| {
        session.cargo_test("atomotion");
        session.doc_tests();
        session.cargo_test("lab");
    });
    session.part("notebooks", 8, |session| session.notebooks(&environment, &folder));
    session.part("kernel and browser", 14, |session| {
        session.cargo_test("atomotion-kernel");
        session.in_jupyter(&environment);
    });
    process::print(&account(&session.parts, &session.tally));
    Ok(session.tally.failed == 0)
}

struct Session<'a> {
    place: &'a Place,
    full: bool,
    /// The file into which tests write what they skip.
    skipped: PathBuf,
    tally: Tally,
    parts: Vec<Part>,
}

impl Session<'_> {
    fn part<T>(&mut self, name: &'static str, budget_min: u64, work: impl FnOnce(&mut Self) -> T) -> T {
        let started = Instant::now();
        let result = work(self);
        self.parts.push(Part { name, budget_min, took: started.elapsed() });
        result
    }

    fn checks(&mut self) {
        let colour = if std::io::stdout().is_terminal() { "always" } else { "never" };
        let mut format = self.cargo(&["fmt", "--all", "--check", "--", "--color", colour]);
        self.check("formatting", &mut format);
        for package in PACKAGES {
            let mut clippy = self.cargo(&["clippy", "-p", package, "--all-targets", "--", "-D", "warnings"]);
            self.check(&format!("clippy, {package}"), &mut clippy);
        }
        let mut doc = self.cargo(&["doc", "--no-deps", "--lib", "-p", "atomotion"]);
        self.check("rustdoc, atomotion", doc.env("RUSTDOCFLAGS", "-D warnings"));
    }

    fn notebooks(&mut self, environment: &Path, folder: &Path) {
        let found = notebook::all(self.place);
        if found.is_empty() {
            self.tally.skipped.push("notebooks: there are none in notebooks/".into());
        }
        for path in found {
            let shown = path.strip_prefix(&self.place.clone).unwrap_or(&path).display().to_string();
            let run = Run { notebook: path, out: Some(folder.to_path_buf()), movie: None, timeout_s: CELL_TIMEOUT_S };
            let mut command = notebook::command(self.place, environment, &run);
            // The movie of the tests, and no results beside the user's own.
            let name = run.notebook.file_stem().unwrap_or_default();
            command.env("ATOMOTION_OUT", folder.join("results").join(name));
            if !self.full {
                command.env("ATOMOTION_MOVIE", "ws2-tiny");
            }
            self.check(&shown, self.prepared(&mut command));
        }
        // The doc tests have taken its pages away.
        let mut doc = self.cargo(&["doc", "--no-deps", "--lib", "-p", "atomotion"]);
        self.check("rustdoc for the site", &mut doc);
        self.check("the site", &mut docs::pages(self.place, environment, &self.place.dot.join("site")));
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut cargo = process::cargo();
        cargo.args(words).current_dir(&self.place.clone);
        // Its output comes through a pipe, where it would choose no colours.
        if std::io::stdout().is_terminal() {
            cargo.env("CARGO_TERM_COLOR", "always");
        }
        self.prepared(&mut cargo);
        cargo
    }

    /// What tests and notebooks find in their environment.
    fn prepared<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("ATOMOTION_SKIPPED", &self.skipped);
        if self.full {
            command.env("ATOMOTION_FULL", "1");
        }
        command
    }

    /// One command that either passes or fails.
    fn check(&mut self, name: &str, command: &mut Command) {
        println!("\n== {name}");
        let started = Instant::now();
        let well = process::lines_shown(command, |_| ());
        self.tally.collect_skipped(&self.skipped);
        self.tally.close(name, well, Tally::count(1, 0), started.elapsed());
    }

    fn cargo_test(&mut self, package: &str) {
        let mut cargo = self.cargo(&["test", "--no-fail-fast", "-p", package]);
        self.tests(&format!("tests, {package}"), &mut cargo);
    }

    /// `cargo test` passes over the examples in the documentation of a dylib, but rustdoc itself runs them when told
    /// where the library lies, and where the programs it makes of them will find it. (Cargo would skip this if it
    /// were the last thing it documented: the check of the documentation always comes between.)
    fn doc_tests(&mut self) {
        let built = self.place.built("");
        let standard = Rust::find(self.place).map(|rust| rust.standard_library()).unwrap_or_default();
        let mut cargo = self.cargo(&["rustdoc", "--lib", "-p", "atomotion", "--", "--test", "-C", "prefer-dynamic"]);
        cargo.arg("--extern").arg(format!("atomotion={}", built.join("libatomotion.so").display()));
        let libtorch = self.place.libtorch_link().join("lib");
        cargo.arg("-L").arg(format!("native={}", libtorch.display()));
        for folder in [&built, &standard, &libtorch] {
            cargo.arg("-C").arg(format!("link-arg=-Wl,-rpath,{}", folder.display()));
        }
        self.tests("doc tests, atomotion", &mut cargo);
    }

    /// The tests that use the kernel as Jupyter and people do.
    fn in_jupyter(&mut self, environment: &Path) {
        const NAME: &str = "tests in Jupyter and a browser";
        if let Err(error) = setup::add_tests(self.place, environment) {
            return self.tally.close(NAME, Err(error), Tally::default(), Duration::ZERO);
        }
        let mut pytest = jupyter::python(self.place, environment);
        pytest.args(["-m", "pytest", "."]).current_dir(self.place.clone.join("tests"));
        if std::io::stdout().is_terminal() {
            pytest.arg("--color=yes");
        }
        pytest.env("PYTHONUNBUFFERED", "1").env("ATOMOTION_SCREENSHOTS", self.place.dot.join("test/screenshots"));
        self.prepared(&mut pytest);
        self.tests(NAME, &mut pytest);
    }

    /// One command that counts its tests itself.
    fn tests(&mut self, name: &str, command: &mut Command) {
        println!("\n== {name}");
        let started = Instant::now();
        let mut counted = Tally::default();
        let well = process::lines_shown(command, |line| counted.read_result(line));
        // Whoever skips a test can only return from it, which cargo counts as passed.
        let skipped = self.tally.collect_skipped(&self.skipped);
        counted.passed = counted.passed.saturating_sub(skipped);
        self.tally.close(name, well, counted, started.elapsed());
    }
}

impl Tally {
    fn count(passed: usize, failed: usize) -> Tally {
        Tally { passed, failed, ..Tally::default() }
    }

    /// Adds a line such as "test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; ...".
    fn read_result(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ").and_then(|(_, rest)| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ').map(|(number, what)| (number.parse::<usize>(), what)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }

    /// Takes the lines that were written since the last time; how many they are.
    fn collect_skipped(&mut self, file: &Path) -> usize {
        let text = fs::read_to_string(file).unwrap_or_default();
        let _ = fs::write(file, "");
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let before = self.skipped.len();
        self.skipped.extend(lines.map(|line| line.trim_start_matches("skipped:").trim().to_string()));
        self.skipped.len() - before
    }

    /// Adds what a step counted. A step that failed counts at least one failure.
    fn close(&mut self, name: &str, well: Result<bool, String>, counted: Tally, took: Duration) {
        let ok = well == Ok(true);
        if let Err(error) = &well {
            println!("{error}");
        }
        let single = counted.passed + counted.failed + counted.ignored == 1;
        self.passed += if ok || !single { counted.passed } else { 0 };
        self.failed += if ok { counted.failed } else { counted.failed.max(1) };
        self.ignored += counted.ignored;
        if !ok {
            self.failures.push(name.into());
        }
        println!("== {name}: {} in {}", if ok { "ok" } else { "FAILED" }, clock(took));
    }
}

/// The closing lines: times beside budgets, failures, what was skipped and why, and the counts.
fn account(parts: &[Part], tally: &Tally) -> String {
    let mut text = format!("\n{:<20} {:>8} {:>10}\n", "part", "time", "budget");
    let mut total = Duration::ZERO;
    for Part { name, budget_min, took } in parts {
        let over = if *took > Duration::from_secs(budget_min * 60) { "  over budget" } else { "" };
        text += &format!("{name:<20} {:>8} {:>10}{over}\n", clock(*took), format!("{budget_min}:00"));
        total += *took;
    }
    let budget: u64 = parts.iter().map(|part| part.budget_min).sum();
    text += &format!("{:<20} {:>8} {:>10}\n", "all", clock(total), format!("{budget}:00"));
    if !tally.failures.is_empty() {
        text += &format!("\nfailed:\n  {}\n", tally.failures.join("\n  "));
    }
    let mut skipped = tally.skipped.clone();
    if tally.ignored > 0 {
        skipped.push(format!("{} tests marked `ignore`", tally.ignored));
    }
    match skipped.is_empty() {
        true => text += "\nskipped: nothing\n",
        false => text += &format!("\nskipped:\n  {}\n", skipped.join("\n  ")),
    }
    let count = tally.skipped.len() + tally.ignored;
    text + &format!("\n{} passed, {} failed, {count} skipped\n", tally.passed, tally.failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up() {
        let mut tally = Tally::default();
        tally.read_result(
            "test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s",
        );
        tally.read_result("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        tally.read_result("test result is what this line is about: 9 passed");
        assert_eq!((tally.passed, tally.failed, tally.ignored), (8, 1, 2));
    }

    #[test]
    fn a_step_that_does_not_end_well_counts_as_failed() {
        let mut tally = Tally::default();
        tally.close("clippy", Ok(false), Tally::count(1, 0), Duration::ZERO);
        tally.close("tests that did not compile", Ok(false), Tally::default(), Duration::ZERO);
        tally.close("tests", Ok(false), Tally::count(7, 2), Duration::ZERO);
        tally.close("fmt", Ok(true), Tally::count(1, 0), Duration::ZERO);
        assert_eq!((tally.passed, tally.failed), (8, 4));
        assert_eq!(tally.failures, ["clippy", "tests that did not compile", "tests"]);
    }

    #[test]
    fn the_account_has_budgets_reasons_and_counts() {
        let slow = Part { name: "set-up", budget_min: 28, took: Duration::from_secs(29 * 60) };
        let quick = Part { name: "tests", budget_min: 8, took: Duration::from_secs(61) };
        let tally = Tally {
            passed: 9,
            ignored: 2,
            skipped: vec!["real frames: ATOMOTION_REAL is not set".into()],
            ..Tally::default()
        };
        let text = account(&[slow, quick], &tally);
        assert!(text.contains("set-up                  29:00      28:00  over budget\n"), "{text}");
        assert!(text.contains("tests                    1:01       8:00\n"), "{text}");
        assert!(text.contains("  real frames: ATOMOTION_REAL is not set\n  2 tests marked `ignore`\n"), "{text}");
        assert!(text.ends_with("\n9 passed, 0 failed, 3 skipped\n"), "{text}");
    }
}
