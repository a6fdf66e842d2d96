//! What can be said of a cell by reading it alone.

use ra_ap_syntax::ast::{self, HasModuleItem, HasName};
use ra_ap_syntax::{AstNode, Edition, SourceFile};

const OPENING: &str = "fn cell() {\n";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Completeness {
    Complete,
    Incomplete,
    Invalid,
}

/// Whether the cell can be run as it is, or wants more lines.
pub fn completeness(cell: &str) -> Completeness {
    let code = code(cell);
    let end = OPENING.len() + code.trim_end().len();
    let parsed = parse(&code);
    let errors: Vec<usize> = parsed.errors().iter().map(|error| usize::from(error.range().start())).collect();
    match errors.iter().min() {
        None => Completeness::Complete,
        Some(first) if *first >= end || has_open_ends(&code) => Completeness::Incomplete,
        Some(_) => Completeness::Invalid,
    }
}

/// The variables that the cell's own `let`s define, in their order.
pub fn new_variables(cell: &str) -> Vec<String> {
    let parsed = parse(&code(cell)).tree();
    let body = parsed.items().find_map(|item| match item {
        ast::Item::Fn(function) => function.body()?.stmt_list(),
        _ => None,
    });
    let mut names = Vec::new();
    for statement in body.iter().flat_map(|body| body.statements()) {
        let ast::Stmt::LetStmt(statement) = statement else { continue };
        let patterns = statement
            .pat()
            .into_iter()
            .flat_map(|pattern| pattern.syntax().descendants().filter_map(ast::IdentPat::cast).collect::<Vec<_>>());
        for name in patterns.filter_map(|pattern| pattern.name()) {
            let name = name.text().to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The cell with its commands blanked, so that every place stays where it is.
fn code(cell: &str) -> String {
    let blank = |line: &str| if line.trim_start().starts_with(':') { " ".repeat(line.len()) } else { line.to_owned() };
    cell.lines().map(blank).collect::<Vec<_>>().join("\n")
}

fn parse(code: &str) -> ra_ap_syntax::Parse<SourceFile> {
    SourceFile::parse(&format!("{OPENING}{code}\n}}"), Edition::Edition2024)
}

/// Whether a bracket or a quote is open. Comments and character literals are not looked into closely: the parser is
/// the judge, this only tells "more is to come" from "wrong".
fn has_open_ends(code: &str) -> bool {
    let mut depth = 0;
    let mut quoted = false;
    for line in code.lines() {
        let mut chars = line.chars();
        while let Some(char) = chars.next() {
            match char {
                '\\' if quoted => {
                    chars.next();
                }
                '"' => quoted = !quoted,
                '/' if !quoted && chars.as_str().starts_with('/') => break,
                '(' | '[' | '{' if !quoted => depth += 1,
                ')' | ']' | '}' if !quoted => depth -= 1,
                _ => {}
            }
        }
    }
    depth > 0 || quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_complete_when_everything_in_it_is() {
        use Completeness::{Complete, Incomplete, Invalid};
        let cases = [
            ("let a = 1;", Complete),
            ("a + 1", Complete),
            ("", Complete),
            (":dep itoa\nlet a = \"(\";", Complete),
            ("f() // (", Complete),
            ("fn f() {\n}", Complete),
            ("fn f() {", Incomplete),
            ("let a = \"one", Incomplete),
            ("let a =", Incomplete),
            ("frame\n    .lazy()\n    .filter(", Incomplete),
            ("let = 3;", Invalid),
            ("fn f() }", Invalid),
        ];
        for (cell, expected) in cases {
            assert_eq!(completeness(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn variables_are_those_of_the_cell_itself() {
        let cell =
            ":opt 2\nlet a = 1;\nlet (mut b, [c, _]) = f();\n{ let inner = 1; }\nfn g() { let other = 2; }\nlet a = 2;";
        assert_eq!(new_variables(cell), ["a", "b", "c"]);
        assert!(new_variables("let x = ").len() <= 1);
    }
}
