//! What is added to the source that evcxr makes of a cell, before it is compiled.
//!
//! Nothing of the user's is touched and no line moves, so that places in messages of the compiler stay right:
//! the cell says that it begins; which display is its value; and an error that leaves it through `?` is told with its
//! `Display` text and the place of the `?`, which the standard library hands to `From::from` as the caller. The source
//! of evcxr's variable store, which it puts into every cell, gives way to the library's, which is compiled already; and
//! variables that the cell does not name stay in the store.

use std::collections::HashSet;
use std::ops::Range;

/// What is added. A type may not allow all of it.
#[derive(Clone, Copy, PartialEq)]
pub struct Added {
    /// Errors are told by `Display`, otherwise by `Debug`.
    pub display: bool,
    /// The value is marked. It is borrowed for that, which an `evcxr_display(self)` does not allow.
    pub value: bool,
}

pub const ALL: Added = Added { display: true, value: true };

const STORE: &str = "let evcxr_variable_store = unsafe {&mut *evcxr_variable_store};";
const NO_STORE: &str = "evcxr_variable_store: *mut u8) -> *mut u8 {";
const BEGIN: &str = " ::atomotion::cell::begin();";
const FROM: &str = "fn from(error: T) -> Self {";
const TELL: [&str; 2] = ["eprintln!(\"{}\", error);", "eprintln!(\"{:?}\", error);"];
const DISPLAY: &str = "impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {";
const DEBUG: &str = "impl<T: std::fmt::Debug> From<T> for EvcxrUserCodeError {";
const SHOW: &str = ").evcxr_display();";
const STORE_SOURCE: &str = "mod evcxr_internal_runtime {";
const OUR_STORE: &str = "use ::atomotion::cell::store as evcxr_internal_runtime;";

pub fn cook(source: &str, added: Added) -> String {
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    for line in &mut lines {
        let text = line.trim();
        if text == STORE || text == NO_STORE {
            line.push_str(BEGIN);
        } else if text == FROM {
            *line = format!("#[track_caller] {FROM}");
        } else if text == DISPLAY && !added.display {
            *line = DEBUG.into();
        } else if TELL.contains(&text) {
            let form = if added.display { "{error}" } else { "{error:?}" };
            *line = format!("::atomotion::cell::failed(format!(\"{form}\"), ::std::panic::Location::caller());");
        }
    }
    if added.value {
        mark_value(&mut lines);
    }
    replace_store(&mut lines);
    leave_in_store(&mut lines);
    lines.join("\n") + "\n"
}

/// The lines of the source, counted from 1, that hold the value which evcxr shows first.
pub fn value_lines(source: &str) -> Option<Range<u64>> {
    let lines: Vec<&str> = source.lines().collect();
    let (start, end) = value_of(&lines)?;
    Some(start as u64 + 1..end as u64 + 2)
}

/// Where `(` and `).evcxr_display();` stand around the value, counted from 0.
fn value_of<T: AsRef<str>>(lines: &[T]) -> Option<(usize, usize)> {
    let end = lines.iter().rposition(|line| line.as_ref() == SHOW)?;
    // The value may have such a line of its own. Brackets in its strings may mislead the count: then the last will do.
    let mut depth = 1;
    let other_half = lines[..end].iter().rposition(|line| {
        depth += line.as_ref().matches(')').count() as i64 - line.as_ref().matches('(').count() as i64;
        depth == 0 && line.as_ref() == "("
    });
    let start = other_half.or_else(|| lines[..end].iter().rposition(|line| line.as_ref() == "("))?;
    Some((start, end))
}

/// Turns `( value ).evcxr_display();` into a match on `&( value )` that says so first.
fn mark_value(lines: &mut [String]) {
    let Some((start, end)) = value_of(lines) else { return };
    lines[start] = "match &(".into();
    lines[end] = ") { evcxr_value => { ::atomotion::cell::value(); evcxr_value.evcxr_display() } };".into();
}

/// Takes the source of evcxr's variable store out: compiling it takes a fifth of what a small cell takes, and the
/// library has the same, compiled.
fn replace_store(lines: &mut [String]) {
    let Some(start) = lines.iter().position(|line| line == STORE_SOURCE) else { return };
    let mut depth = 0;
    let end = lines[start..].iter().position(|line| {
        depth += line.matches('{').count() as i64 - line.matches('}').count() as i64;
        depth == 0
    });
    let Some(length) = end else { return };
    lines[start..=start + length].iter_mut().for_each(String::clear);
    lines[start] = OUR_STORE.into();
}

/// Leaves variables that nothing in the cell names where they are. evcxr takes all of them out and puts them back, which
/// costs the compiler more with every variable that a notebook has.
fn leave_in_store(lines: &mut [String]) {
    let named: HashSet<String> =
        lines.iter().filter(|line| stored(line).is_none()).flat_map(|line| words(line).map(str::to_owned)).collect();
    for line in lines.iter_mut() {
        if stored(line).is_some_and(|name| !named.contains(name)) {
            line.clear();
        }
    }
}

/// The variable that a line of evcxr's checks, takes or puts back.
fn stored(line: &str) -> Option<&str> {
    const CALLS: [&str; 3] = ["check_variable::<", "take_variable::<", "put_variable::<"];
    let call = line.split_once("evcxr_variable_store.")?.1;
    if !CALLS.iter().any(|known| call.starts_with(known)) {
        return None;
    }
    let name = call.rsplit_once("(stringify!(")?.1.split(')').next()?;
    Some(name.trim_start_matches("r#"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric() && char != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: &str = "\
mod evcxr_internal_runtime {
pub fn f(name: &str) {
    println!(\"{name}\");
}
}
            struct EvcxrUserCodeError {}
            impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {
                fn from(error: T) -> Self {
                    eprintln!(\"{}\", error);
pub extern \"C\" fn run_user_code_3(
let evcxr_variable_store = unsafe {&mut *evcxr_variable_store};
let a = (
1);
(
f(a)?
).evcxr_display();
}
";

    #[test]
    fn lines_stay_where_they_are() {
        for added in [ALL, Added { display: false, value: false }] {
            let cooked = cook(CELL, added);
            assert_eq!(cooked.lines().count(), CELL.lines().count());
            assert_eq!(cooked.lines().nth(14), Some("f(a)?"));
            assert!(cooked.contains("{&mut *evcxr_variable_store}; ::atomotion::cell::begin();"));
            assert!(cooked.contains("#[track_caller] fn from(error: T)"));
        }
    }

    #[test]
    fn variables_that_the_cell_does_not_name_stay_in_the_store() {
        let about = |name: &str| {
            format!(
                "vars_ok &= evcxr_variable_store.check_variable::<Vec<f(x)>>(stringify!({name}));\n\
                 let mut {name} = evcxr_variable_store.take_variable::<u32>(stringify!({name}));\n\
                 evcxr_variable_store.put_variable::<u32>(stringify!({name}), {name});\n"
            )
        };
        let left = "\n".repeat(3);
        let cell = |code: &str| format!("{}{}{code}\n", about("größe"), about("r#type"));
        assert_eq!(cook(&cell("größe + 1"), ALL), format!("{}{left}größe + 1\n", about("größe")));
        assert_eq!(
            cook(&cell("println!(\"{type}\")"), ALL),
            format!("{left}{}println!(\"{{type}}\")\n", about("r#type"))
        );
        assert_eq!(cook(&cell("größer"), ALL), format!("{left}{left}größer\n"));
    }

    #[test]
    fn the_store_is_the_librarys() {
        let cooked = cook(CELL, ALL);
        assert!(cooked.starts_with("use ::atomotion::cell::store as evcxr_internal_runtime;\n\n\n\n\n"), "{cooked}");
        assert!(!cooked.contains("pub fn f(name"));
        let open_ended = "mod evcxr_internal_runtime {\nfn f() {}\n";
        assert_eq!(cook(open_ended, ALL), open_ended, "what is not understood is left alone");
    }

    #[test]
    fn the_value_is_borrowed_and_marked() {
        let cooked = cook(CELL, ALL);
        assert!(cooked.contains("let a = (\n1);\nmatch &(\nf(a)?\n) { evcxr_value =>"), "{cooked}");
        assert_eq!(value_lines(CELL), Some(14..17));
        let plain = cook(CELL, Added { value: false, ..ALL });
        assert!(plain.contains("(\nf(a)?\n).evcxr_display();"));
    }

    #[test]
    fn a_value_may_have_a_bracket_on_a_line_of_its_own() {
        let with = |value: &str| CELL.replace("f(a)?", value);
        assert_eq!(value_lines(&with("f\n(\na\n)")), Some(14..20));
        assert_eq!(value_lines(&with("\")(\".len()")), Some(14..17), "what cannot be counted is still shown");
    }

    #[test]
    fn errors_without_display_are_told_by_debug() {
        let cooked = cook(CELL, Added { display: false, ..ALL });
        assert!(cooked.contains(DEBUG) && cooked.contains("{error:?}") && !cooked.contains(DISPLAY));
    }
}
