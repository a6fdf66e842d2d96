"""What each cell must have given. A kernel that answers fast and wrong is not measured."""

import math


def fault(cell, language, answer):
    """None where the cell gave what it should; else what it gave."""
    fails = wanted(cell.get("fails"), language)
    said = answer.text()
    if fails is not None:
        if answer.reply.get("status") == "error" and fails in said:
            return None
        return f"should have failed with {fails!r}, gave {answer.reply.get('status')}: {short(said)}"
    if answer.reply.get("status") != "ok":
        return f"failed: {short(said)}"
    if cell.get("silent") and said.strip():
        return f"should have said nothing, said {short(said)}"
    if cell.get("image") and not has_image(answer):
        return f"should have shown an image, showed {sorted(answer.mimes())}"
    text = wanted(cell.get("text"), language)
    if text is not None and text not in said:
        return f"should have shown {text!r}, showed {short(said)}"
    if "number" in cell and not is_number(answer.plain(), cell["number"]):
        return f"should have shown {cell['number']}, showed {short(answer.plain())}"
    return None


def wanted(expected, language):
    """A text that is the same in both languages, or one for each."""
    return expected.get(language) if isinstance(expected, dict) else expected


def has_image(answer):
    htmls = [str(output.get("data", {}).get("text/html", "")) for output in answer.outputs]
    return any(mime.startswith("image/") for mime in answer.mimes()) or any(
        "<img" in html or "<svg" in html for html in htmls)


def is_number(text, number):
    """numpy writes `np.float64(190.0)`."""
    text = text.strip()
    if text.startswith("np.") and text.endswith(")"):
        text = text[text.index("(") + 1:-1]
    try:
        return math.isclose(float(text), number, rel_tol=1e-6, abs_tol=1e-9)
    except ValueError:
        return False


def short(text):
    text = " ".join(text.split())
    return repr(text if len(text) < 300 else text[:297] + "…")
