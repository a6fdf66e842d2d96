//! What can be said of a cell by reading it alone.

use ra_ap_syntax::ast::{self, HasModuleItem, HasName};
use ra_ap_syntax::{AstNode, Edition, SourceFile, SyntaxKind};
use std::borrow::Cow;

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
    let errors: Vec<(usize, String)> =
        parsed.errors().iter().map(|error| (usize::from(error.range().start()), error.to_string())).collect();
    // A raw string that does not end is told as one that is no raw string at all.
    let unended = ["`*/` symbols", "string literal", "Invalid raw string"];
    if errors.iter().any(|(_, text)| unended.iter().any(|what| text.contains(what))) {
        return Completeness::Incomplete;
    }
    match brackets(&parsed, &code) {
        Brackets::Wrong { .. } => return Completeness::Invalid,
        Brackets::Open { .. } => return Completeness::Incomplete,
        Brackets::Balanced => {}
    }
    match errors.iter().map(|(at, _)| at).min() {
        None => Completeness::Complete,
        Some(first) if *first >= end => Completeness::Incomplete,
        Some(_) => Completeness::Invalid,
    }
}

/// A bracket without its other half: evcxr would put it among its own, and the compiler would complain about those.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub message: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 0.
    pub column: usize,
}

/// The first bracket of the cell that has no other half.
pub fn fault(cell: &str) -> Option<Fault> {
    let code = code(cell);
    let (at, message) = match brackets(&parse(&code), &code) {
        Brackets::Balanced => return None,
        Brackets::Open { at, bracket } => (at, format!("this `{bracket}` is never closed")),
        Brackets::Wrong { at, bracket, open: None } => (at, format!("this `{bracket}` closes nothing")),
        Brackets::Wrong { at, bracket, open: Some(open) } => (at, format!("this `{bracket}` closes a `{open}`")),
    };
    let before = &code[..at];
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    Some(Fault { message, line: before.matches('\n').count() + 1, column: before[start..].chars().count() })
}

/// How the brackets of a cell go together; places are bytes of the cell.
enum Brackets {
    Balanced,
    Open { at: usize, bracket: String },
    Wrong { at: usize, bracket: String, open: Option<String> },
}

fn brackets(parsed: &ra_ap_syntax::Parse<SourceFile>, code: &str) -> Brackets {
    let own = OPENING.len()..OPENING.len() + code.len();
    let root = parsed.syntax_node();
    let tokens = root.descendants_with_tokens().filter_map(|element| element.into_token());
    let mut open: Vec<(SyntaxKind, usize, String)> = Vec::new();
    for token in tokens.filter(|token| own.contains(&usize::from(token.text_range().start()))) {
        let (at, text) = (usize::from(token.text_range().start()) - own.start, token.text().to_owned());
        let opens_with = match token.kind() {
            kind @ (SyntaxKind::L_PAREN | SyntaxKind::L_BRACK | SyntaxKind::L_CURLY) => {
                open.push((kind, at, text));
                continue;
            }
            SyntaxKind::R_PAREN => SyntaxKind::L_PAREN,
            SyntaxKind::R_BRACK => SyntaxKind::L_BRACK,
            SyntaxKind::R_CURLY => SyntaxKind::L_CURLY,
            _ => continue,
        };
        match open.pop() {
            Some((kind, ..)) if kind == opens_with => {}
            last => return Brackets::Wrong { at, bracket: text, open: last.map(|(_, _, bracket)| bracket) },
        }
    }
    match open.pop() {
        Some((_, at, bracket)) => Brackets::Open { at, bracket },
        None => Brackets::Balanced,
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

/// evcxr takes lines at the top of a cell that begin with two slashes for comments, also those that document what
/// follows. It takes none that begins with a space.
pub fn with_first_doc(code: &str) -> Cow<'_, str> {
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        if line.starts_with("///") && !line.starts_with("////") {
            return format!("{} {}", &code[..at], &code[at..]).into();
        }
        if !line.starts_with("//") && !line.trim().is_empty() {
            break;
        }
        at += line.len();
    }
    code.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_documentation_of_a_cell_is_no_comment() {
        assert_eq!(with_first_doc("// a\n\n/// b\nstruct S;"), "// a\n\n /// b\nstruct S;");
        for other in ["", "// a", "let a = 1;\n/// b\nstruct S;", ":dep x\n/// b", "//// no\nlet a = 1;"] {
            assert_eq!(with_first_doc(other), other);
        }
    }

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
            ("}", Invalid),
            ("let a = (1];", Invalid),
            ("/* open", Incomplete),
            ("let a = '(';", Complete),
            ("let a = r#\"one\ntwo", Incomplete),
        ];
        for (cell, expected) in cases {
            assert_eq!(completeness(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn brackets_without_their_other_half_are_found() {
        let found = |cell: &str| fault(cell).map(|fault| (fault.line, fault.column));
        assert_eq!(found("let a = (1, [2, '(']); // ("), None);
        assert_eq!(found(":dep x\nlet µ = 1;\n µ }"), Some((3, 3)));
        assert_eq!(found("let a = [1, 2;\nlet b = 3;"), Some((1, 8)));
        assert_eq!(found("println!(\"{}\", [1)"), Some((1, 17)));
        assert_eq!(fault("(1]").unwrap().message, "this `]` closes a `(`");
    }

    #[test]
    fn variables_are_those_of_the_cell_itself() {
        let cell =
            ":opt 2\nlet a = 1;\nlet (mut b, [c, _]) = f();\n{ let inner = 1; }\nfn g() { let other = 2; }\nlet a = 2;";
        assert_eq!(new_variables(cell), ["a", "b", "c"]);
        assert!(new_variables("let x = ").len() <= 1);
    }
}
