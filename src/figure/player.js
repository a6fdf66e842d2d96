for (const box of document.querySelectorAll('[data-atomotion="ID"]:not([data-ready])')) {
  box.setAttribute("data-ready", "");
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  const [image, over, play, at, caption] = ["image", "over", "play", "at", "caption"].map(part);
  const layers = [...box.querySelectorAll("[data-layer]")];
  let timer = null;
  const show = () => {
    const frame = data.frames[at.value];
    image.src = "data:image/png;base64," + frame.image;
    image.alt = frame.caption;
    caption.textContent = frame.caption;
    at.setAttribute("aria-valuetext", frame.caption);
    over.innerHTML = layers.map((box, i) => (box.checked ? frame.layers[i] : "")).join("");
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "play";
    play.setAttribute("aria-label", "play");
  };
  const step = () => {
    if (!box.isConnected) return stop();
    at.value = (Number(at.value) + 1) % data.frames.length;
    show();
  };
  play.disabled = at.disabled = false;
  play.onclick = () => {
    if (timer) return stop();
    timer = setInterval(step, data.every_ms);
    play.textContent = "stop";
    play.setAttribute("aria-label", "pause");
  };
  at.oninput = () => { stop(); show(); };
  layers.forEach((box) => { box.disabled = false; box.onchange = show; });
  show();
}
