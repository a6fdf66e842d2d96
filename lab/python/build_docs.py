"""Makes the documentation's site: docs/*.md and notebooks as pages, rustdoc beside them. It opens without a server."""

import argparse
import html
import re
import shutil
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import markdown2html_mistune

STYLE = """body{font:17px/1.55 system-ui,sans-serif;max-width:54rem;margin:0 auto;padding:1rem;color:#282828}
nav{padding:.6rem 0;border-bottom:2px solid #0072b2;margin-bottom:1.5rem}nav a{margin-right:1.2rem}
a{color:#0072b2}pre{background:#f6f6f6;padding:.7rem;overflow-x:auto;font-size:.85rem}code{font-size:.9em}
img{max-width:min(100%,30rem)}.anchor-link{display:none}table{border-collapse:collapse;font-size:.92rem}td,th{border-bottom:1px solid #ddd;
padding:.3rem .7rem;text-align:left;vertical-align:top}.wide{overflow-x:auto}"""

NAV = [("index.html", "Atomotion"), ("coming-from.html", "Coming from AtomAI, trackpy, scikit-learn"),
       ("api/atomotion/index.html", "Every item")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone", type=Path)
    parser.add_argument("rustdoc", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--executed", type=Path, help="where executed copies of the notebooks may lie")
    return parser.parse_args()


def page(title, body):
    nav = " ".join(f'<a href="{target}">{words}</a>' for target, words in NAV)
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
            f"<body><nav>{nav}</nav>\n{body}\n</body></html>\n")


def first_heading(text, otherwise):
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found.group(1) if found else otherwise


def as_read(markdown):
    """Rust's own marks in code blocks say how they are tested, which a reader need not see."""
    markdown = re.sub(r"^```rust,no_run$", "```rust", markdown, flags=re.MULTILINE)
    return re.sub(r"^# .*\n", hidden_line, markdown, flags=re.MULTILINE)


def hidden_line(match):
    """Lines that begin with "# " in a code block are hidden by rustdoc; headings are not in one."""
    before = match.string[:match.start()]
    return "" if before.count("\n```") % 2 == 1 else match.group(0)


def markdown_page(path, out, extra=""):
    text = path.read_text(encoding="utf-8")
    body = markdown2html_mistune(as_read(text)) + extra
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    (out / f"{path.stem}.html").write_text(page(first_heading(text, path.stem), body), encoding="utf-8")


def same_cells(a, b):
    return [cell.source for cell in a.cells] == [cell.source for cell in b.cells]


def with_outputs(path, executed):
    """An executed copy of these very cells where there is one, else the notebook as it is stored: beside it, from
    `cargo lab run`, or where the tests leave theirs."""
    notebook = nbformat.read(path, as_version=4)
    for folder in [path.parent, *([executed] if executed else [])]:
        copy = folder / f"{path.stem}.executed.ipynb"
        if copy.is_file():
            ran = nbformat.read(copy, as_version=4)
            if same_cells(notebook, ran):
                return ran
    return notebook


def notebook_page(path, executed, out):
    notebook = with_outputs(path, executed)
    body, _ = HTMLExporter().from_notebook_node(notebook, resources={"metadata": {"name": path.stem}})
    (out / f"{path.stem}.html").write_text(body, encoding="utf-8")
    title = first_heading(notebook.cells[0].source, path.stem)
    ran = any(cell.get("outputs") for cell in notebook.cells)
    return title, ran


def dead_links(out):
    """What the site's own pages point to in the site, and is not there."""
    for path in sorted(out.glob("*.html")):
        for target in re.findall(r'(?:href|src)="([^"#:]+)"', path.read_text(encoding="utf-8")):
            if not (out / target).exists():
                yield f"{path.name}: {target}"


def main():
    options = arguments()
    out, clone = options.out, options.clone
    (out / "notebooks").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "api", ignore_errors=True)
    shutil.copytree(options.rustdoc, out / "api")
    items = []
    for path in sorted((clone / "notebooks").glob("*.ipynb")):
        if path.name.endswith(".executed.ipynb"):
            continue
        title, ran = notebook_page(path, options.executed, out / "notebooks")
        note = "" if ran else " (cells only: `cargo lab run` runs them)"
        items.append(f'<li><a href="notebooks/{path.stem}.html">{html.escape(title)}</a>{html.escape(note)}</li>')
        print(f"  notebooks/{path.stem}.html", flush=True)
    for picture in (clone / "docs").glob("*.png"):
        shutil.copy(picture, out)
    for path in sorted((clone / "docs").glob("*.md")):
        extra = f"<h2>Notebooks</h2><ul>{''.join(items)}</ul>" if path.stem == "index" else ""
        markdown_page(path, out, extra)
        print(f"  {path.stem}.html", flush=True)
    dead = list(dead_links(out))
    if dead:
        raise SystemExit("error: links that lead nowhere:\n  " + "\n  ".join(dead))
    print(f"The site begins at {out / 'index.html'}", flush=True)


if __name__ == "__main__":
    main()
