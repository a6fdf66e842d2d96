//! The report: one page that shows the figures beside it, and opens in any browser without a server.

use super::results::{Item, PICTURES};
use crate::show::{escape_html, table_html};
use serde_json::Value;

/// Rows of a table that the page shows; the file beside it has all.
const ROWS: usize = 12;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#282828}\
img{max-width:100%;height:auto}figure{margin:1.5rem 0}figcaption,.files{color:#555;font-size:.9rem}\
table{border-collapse:collapse;font-size:.85rem}td,th{padding:.15rem .6rem;border-bottom:1px solid #ddd;text-align:right}\
.wide{overflow-x:auto}h2{margin-top:2.5rem;border-bottom:2px solid #0072b2}";

/// The whole page.
pub(super) fn page(title: &str, inputs: &[Value], items: &[Item]) -> String {
    let title = escape_html(title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
    );
    for input in inputs {
        page += &format!("<p>{}</p>\n", escape_html(&sentence(input)));
    }
    for item in items {
        page += &match item {
            Item::Heading(words) => format!("<h2>{}</h2>\n", escape_html(words)),
            Item::Words(words) => format!("<p>{}</p>\n", escape_html(words)),
            Item::Figure { name, caption } => figure(name, caption),
            Item::Table { name, caption, table } => {
                let shown = table_html(&table.head(Some(ROWS)));
                let rest = match table.height() {
                    n if n > ROWS => format!(" The first {ROWS} of {n} rows."),
                    _ => String::new(),
                };
                let files = ["parquet", "csv"].map(|e| format!("<a href=\"tables/{name}.{e}\">{e}</a>")).join(", ");
                format!(
                    "<figure><div class=\"wide\">{shown}</div><figcaption>{}{rest} ({files})</figcaption></figure>\n",
                    escape_html(caption)
                )
            }
        };
    }
    page + "<p class=\"files\">Versions, seeds, options and checksums: <a href=\"manifest.json\">manifest.json</a>.</p>\n</body></html>\n"
}

fn figure(name: &str, caption: &str) -> String {
    let caption = escape_html(caption);
    let files = PICTURES.map(|e| format!("<a href=\"figures/{name}.{e}\">{e}</a>")).join(", ");
    format!(
        "<figure><img src=\"figures/{name}.svg\" alt=\"{caption}\"><figcaption>{caption} ({files})</figcaption></figure>\n"
    )
}

/// "ws2-tiny: 8 frames of 128 x 128 pixels, 0.032 nm per pixel, 5 s per frame."
fn sentence(input: &Value) -> String {
    let name = input["name"].as_str().unwrap_or("movie");
    let scale = match input["nm_per_px"].as_f64() {
        Some(nm) => format!("{nm:.4} nm per pixel, {} s per frame", input["s_per_frame"]),
        None => "not calibrated: lengths are in pixels, times in frames".into(),
    };
    format!("{name}: {} frames of {} x {} pixels, {scale}.", input["frames"], input["height_px"], input["width_px"])
}
