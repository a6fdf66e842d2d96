//! How values show themselves when they are the last expression of a notebook cell.
//!
//! evcxr calls `evcxr_display` on that value. [`Show`] gives the method to every type with `Debug`, so that a cell
//! compiles once, and looks for the types that deserve more than text: tables, arrays, tensors. A type with an
//! `evcxr_display` of its own keeps it, since inherent methods come before those of traits.

mod array;
mod table;

use polars::prelude::{Column, DataFrame, LazyFrame, Series};
use std::any::TypeId;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::marker::PhantomData;
use std::os::fd::AsFd;

/// Shows a value in a notebook. Every type with `Debug` has it.
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` cannot show itself",
    note = "give the type `#[derive(Debug)]`, or end the line with `;` so that the cell shows nothing"
)]
pub trait Show {
    /// Writes the value to the notebook.
    fn evcxr_display(&self);
}

#[diagnostic::do_not_recommend]
impl<T: Debug + ?Sized> Show for T {
    fn evcxr_display(&self) {
        // All that is compiled anew in a cell is this: the rest waits in the library.
        Value::of(self).emit(&|| format!("{self:?}"));
    }
}

/// A value of any type, and which.
struct Value<'a> {
    id: TypeId,
    at: *const (),
    lives: PhantomData<&'a ()>,
}

impl Value<'_> {
    fn of<T: ?Sized>(value: &T) -> Value<'_> {
        Value { id: type_id::<T>(), at: std::ptr::from_ref(value).cast(), lives: PhantomData }
    }

    /// The value as a `U`, if that is what it is, lifetimes aside.
    fn cast<U: 'static>(&self) -> Option<&U> {
        // SAFETY: the types are the same but for lifetimes, and those of `U` are only claimed for as long as the borrow:
        // callers take copies out of it and keep nothing.
        (self.id == TypeId::of::<U>()).then(|| unsafe { &*self.at.cast::<U>() })
    }

    fn emit(&self, debug: &dyn Fn() -> String) {
        rich(self).unwrap_or_else(|| Content::text(debug())).emit();
    }
}

/// Shows the few values that have no `Debug`, and so no [`Show`].
pub trait ShowPlan {
    /// Writes the value to the notebook.
    fn evcxr_display(&self);
}

impl ShowPlan for LazyFrame {
    fn evcxr_display(&self) {
        let plan = self.describe_plan().unwrap_or_else(|error| error.to_string());
        Content::text(format!("A plan, not yet a table: `.collect()?` makes one.\n{plan}")).emit();
    }
}

/// One value in the forms in which a front end can show it. Nothing at all is a form, too.
#[derive(Default)]
struct Content {
    plain: Option<String>,
    html: Option<String>,
}

impl Content {
    fn text(plain: String) -> Content {
        Content { plain: Some(plain), html: None }
    }

    fn emit(self) {
        let parts = [("text/plain", &self.plain), ("text/html", &self.html)];
        let parts: Vec<_> = parts.iter().filter_map(|(mime, text)| Some((*mime, text.as_deref()?))).collect();
        emit(&parts);
    }
}

/// The content of a type that is worth more than its `Debug` text.
fn rich(value: &Value) -> Option<Content> {
    if value.cast::<()>().is_some() {
        return Some(Content::default());
    }
    if let Some(frame) = value.cast::<DataFrame>() {
        return Some(table::frame(frame));
    }
    if let Some(series) = value.cast::<Series>() {
        return Some(table::frame(&series.clone().into_frame()));
    }
    if let Some(column) = value.cast::<Column>() {
        return Some(table::frame(&column.clone().into_frame()));
    }
    if let Some(tensor) = value.cast::<tch::Tensor>() {
        return Some(Content::text(array::tensor(tensor)));
    }
    array::content(value)
}

/// `TypeId::of`, for types that borrow as well: the same for all lifetimes.
fn type_id<T: ?Sized>() -> TypeId {
    trait Anything {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Anything for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let token = PhantomData::<T>;
    let token: &dyn Anything = &token;
    // SAFETY: `id` reads nothing through the reference; the lifetime only satisfies `TypeId::of`, which ignores it.
    let token = unsafe { std::mem::transmute::<&dyn Anything, &(dyn Anything + 'static)>(token) };
    token.id()
}

/// Shows `text` as one content of the given MIME type.
pub fn emit_text(mime: &str, text: &str) {
    emit(&[(mime, text)]);
}

/// Shows a value that has both an HTML and a plain form; the front end takes the one it can show.
pub fn emit_html(html: &str, plain: &str) {
    emit(&[("text/plain", plain), ("text/html", html)]);
}

/// An HTML image of the PNG in `png`, `width` CSS pixels wide: sharp where the PNG has more pixels than that.
pub fn png_html(png: &[u8], width: usize) -> String {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(png);
    format!("<img src=\"data:image/png;base64,{data}\" width=\"{width}\" style=\"image-rendering: pixelated\">")
}

/// A table as HTML: its shape, the names and types of its columns, and its first and last rows.
pub(crate) fn table_html(frame: &DataFrame) -> String {
    table::frame(frame).html.unwrap_or_default()
}

/// `text` with what HTML would take for markup replaced.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(char),
        }
    }
    escaped
}

/// Shows a value that the next call with the same `id` replaces. Only the Atomotion kernel can.
pub(crate) fn emit_updating(id: &str, html: &str, plain: &str) {
    write_out(&lines(&[("text/plain", plain), ("text/html", html)], &format!(" id={id}")));
}

/// Writes contents as evcxr reads them, in one piece, so that lines of other threads do not come between.
fn emit(parts: &[(&str, &str)]) {
    write_out(&lines(parts, ""));
}

fn lines(parts: &[(&str, &str)], id: &str) -> String {
    let mut lines = String::new();
    for (mime, content) in parts {
        let _ = writeln!(lines, "EVCXR_BEGIN_CONTENT {mime}{id}\n{content}\nEVCXR_END_CONTENT");
    }
    lines
}

/// Writes whole lines to standard output past its buffer, so that they begin a line even after a `print!` that has not
/// ended its own. The lock keeps other threads' lines out of their middle.
pub(crate) fn write_out(lines: &str) {
    let stdout = std::io::stdout().lock();
    // Where nobody listens any more there is nothing to show.
    let _ = stdout.as_fd().try_clone_to_owned().and_then(|fd| std::fs::File::from(fd).write_all(lines.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, ArrayView2};

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape_html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn types_are_told_apart_whatever_they_borrow() {
        let array = Array2::<f32>::zeros((2, 3));
        let view = array.view();
        assert!(Value::of(&view).cast::<ArrayView2<'static, f32>>().is_some());
        assert!(Value::of(&view).cast::<Array2<f32>>().is_none());
        assert!(Value::of(&array).cast::<Array2<f32>>().is_some());
        assert!(Value::of("text").cast::<String>().is_none());
    }

    #[test]
    fn unit_shows_nothing_and_the_rest_its_debug_text() {
        assert!(rich(&Value::of(&())).is_some_and(|content| content.plain.is_none() && content.html.is_none()));
        assert!(rich(&Value::of("text")).is_none());
        assert!(rich(&Value::of(&Some(1))).is_none());
    }
}
