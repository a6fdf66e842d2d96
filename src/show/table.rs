//! Tables: the first and last rows of a frame, as HTML.

use super::{Content, escape_html};
use polars::prelude::{AnyValue, DataFrame};
use std::fmt::Write as _;

/// Rows and columns shown at either end of a table that is too long or too wide.
const ENDS: usize = 10;

/// Colours are those of the page around, so that the table is readable on light and dark themes.
const STYLE: &str = "border-collapse:collapse;font-variant-numeric:tabular-nums;color:inherit";
const CELL: &str = "padding:2px 8px;border-bottom:1px solid var(--jp-border-color2,#8886);white-space:nowrap";
const HEAD: &str = "padding:2px 8px;border-bottom:2px solid var(--jp-border-color1,#888a);white-space:nowrap;\
                    position:sticky;top:0;background:var(--jp-layout-color0,Canvas)";

/// A frame with its shape, the names and types of its columns, and its rows.
pub(super) fn frame(frame: &DataFrame) -> Content {
    let columns = ends(frame.width());
    let mut html = opening(&format!("{} rows × {} columns", frame.height(), frame.width()));
    html.push_str("<thead><tr>");
    for column in &columns {
        match column.and_then(|at| frame.columns().get(at)) {
            Some(column) => {
                let side = side(column.dtype().is_primitive_numeric());
                let name = escape_html(column.name());
                let kind = escape_html(&column.dtype().to_string());
                let _ = write!(
                    html,
                    "<th style=\"{HEAD};text-align:{side}\">{name}<br>\
                     <span style=\"font-weight:normal;opacity:.7\">{kind}</span></th>"
                );
            }
            None => {
                let _ = write!(html, "<th style=\"{HEAD}\">…</th>");
            }
        }
    }
    html.push_str("</tr></thead><tbody>");
    for row in ends(frame.height()) {
        let cells = columns.iter().map(|column| frame_cell(frame, row, *column));
        push_row(&mut html, cells);
    }
    html.push_str("</tbody></table></div>");
    Content { plain: Some(frame.to_string()), html: Some(html) }
}

/// A small array of numbers, row by row.
pub(super) fn numbers(title: &str, rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> String {
    let mut html = opening(title);
    html.push_str("<tbody>");
    for row in ends(rows) {
        let cells = ends(columns).into_iter().map(|column| match (row, column) {
            (Some(row), Some(column)) => (number(value(row, column)), true),
            _ => ("…".to_owned(), true),
        });
        push_row(&mut html, cells);
    }
    html.push_str("</tbody></table></div>");
    html
}

fn opening(title: &str) -> String {
    format!(
        "<div style=\"max-height:42em;max-width:100%;overflow:auto\">\
         <div style=\"opacity:.7;position:sticky;left:0;width:max-content\">{}</div><table style=\"{STYLE}\">",
        escape_html(title)
    )
}

/// What stands in a row and column, and whether it is a number. `None` is the gap in the middle.
fn frame_cell(frame: &DataFrame, row: Option<usize>, column: Option<usize>) -> (String, bool) {
    let column = column.and_then(|at| frame.columns().get(at));
    let (Some(row), Some(column)) = (row, column) else {
        return ("…".to_owned(), column.is_some_and(|it| it.dtype().is_primitive_numeric()));
    };
    let text = match column.get(row) {
        Ok(AnyValue::Float32(value)) => number(f64::from(value)),
        Ok(AnyValue::Float64(value)) => number(value),
        Ok(value) => escape_html(&value.str_value()),
        Err(error) => escape_html(&error.to_string()),
    };
    (text, column.dtype().is_primitive_numeric())
}

fn push_row(html: &mut String, cells: impl Iterator<Item = (String, bool)>) {
    html.push_str("<tr>");
    for (text, is_number) in cells {
        let _ = write!(html, "<td style=\"{CELL};text-align:{}\">{text}</td>", side(is_number));
    }
    html.push_str("</tr>");
}

fn side(is_number: bool) -> &'static str {
    if is_number { "right" } else { "left" }
}

/// All indices below `count`, or those at both ends with a gap between.
fn ends(count: usize) -> Vec<Option<usize>> {
    if count <= 2 * ENDS {
        return (0..count).map(Some).collect();
    }
    let last = (count - ENDS..count).map(Some);
    (0..ENDS).map(Some).chain([None]).chain(last).collect()
}

/// A number with at most six significant digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == value.trunc() && size < 1e15 {
        return (value + 0.0).to_string(); // no minus before a zero
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{value:.4e}");
    }
    let digits = (5 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{Column, DataType, df};

    fn html(frame: &DataFrame) -> String {
        super::frame(frame).html.unwrap()
    }

    #[test]
    fn long_and_wide_frames_are_cut_in_the_middle() {
        let columns = (0..25).map(|at| Column::new(format!("c{at}").into(), vec![at; 30]));
        let frame = DataFrame::new_infer_height(columns.collect()).unwrap();
        let html = html(&frame);
        assert_eq!(html.matches("<tr>").count(), 1 + 2 * ENDS + 1);
        assert_eq!(html.matches("<th ").count(), 2 * ENDS + 1);
        assert!(html.contains("30 rows × 25 columns"));
        assert!(html.contains("c0<") && html.contains("c24<") && !html.contains("c12<"));
    }

    #[test]
    fn text_is_escaped_and_to_the_left_numbers_to_the_right() {
        let html = html(&df!("<b>" => ["x & y"], "n" => [1.5]).unwrap());
        assert!(html.contains("&lt;b&gt;") && html.contains("x &amp; y"));
        assert!(html.contains("text-align:right\">1.5<"));
        assert!(html.contains(&DataType::Float64.to_string()));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(1234.56789), "1234.57");
        assert_eq!(number(3.0), "3");
        assert_eq!(number(1.25e-9), "1.2500e-9");
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(-0.0), "0");
    }

    #[test]
    fn an_empty_frame_says_so() {
        assert!(html(&DataFrame::default()).contains("0 rows × 0 columns"));
    }
}
