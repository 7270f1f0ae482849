"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const el = (id) => document.getElementById(id);
  const stage = el("stage"), slider = el("slider"), left = el("left"), right = el("right");
  const names = new Map(data.layers);
  const LARGEST = 32; // screen pixels per picture pixel
  // What is shown: an area, the picture pixel in the middle, screen pixels of the stage per picture pixel.
  const state = { place: 0, area: 0, x: 0, y: 0, scale: 1, colour: data.colours[0][0] };

  const views = [
    { box: stage, img: el("image-left"), layer: () => left.value },
    { box: stage, img: el("image-right"), layer: () => right.value },
  ];

  function source(layer) {
    const made = data.images[state.area][layer];
    return made[state.colour] || made.any;
  }

  // Geometry

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const area = () => data.areas[state.area];
  const contain = (w, h) => Math.min(stage.clientWidth / w, stage.clientHeight / h);
  const cover = (w, h) => Math.max(stage.clientWidth / w, stage.clientHeight / h);

  function keepInside() {
    const { w, h } = area();
    state.scale = clamp(state.scale, Math.min(contain(w, h), 1), LARGEST);
    const halfWidth = stage.clientWidth / 2 / state.scale, halfHeight = stage.clientHeight / 2 / state.scale;
    state.x = w > 2 * halfWidth ? clamp(state.x, halfWidth, w - halfWidth) : w / 2;
    state.y = h > 2 * halfHeight ? clamp(state.y, halfHeight, h - halfHeight) : h / 2;
  }

  function go(index) {
    const place = data.places[index];
    state.place = index;
    state.area = place.area;
    const whole = place.w === area().w && place.h === area().h && index === 0;
    state.scale = contain(place.w, place.h);
    if (!whole) state.scale = Math.max(state.scale, cover(area().w, area().h));
    state.x = place.x + place.w / 2;
    state.y = place.y + place.h / 2;
    press("places", index);
    pictures();
  }

  // Zoom so that what lies (dx, dy) stage pixels from the middle stays there.
  function zoom(factor, dx = 0, dy = 0) {
    const before = state.scale;
    state.scale = clamp(before * factor, Math.min(contain(area().w, area().h), 1), LARGEST);
    state.x += dx / before - dx / state.scale;
    state.y += dy / before - dy / state.scale;
    draw();
  }

  function move(dx, dy) {
    state.x -= dx / state.scale;
    state.y -= dy / state.scale;
    draw();
  }

  // Drawing

  function pictures() {
    const place = data.places[state.place].name;
    const colour = data.colours.find(([key]) => key === state.colour)[1].toLowerCase();
    for (const { img, layer } of views) {
      const uri = source(layer());
      if (img.src !== uri) img.src = uri;
      const coloured = data.images[state.area][layer()].any ? "" : `, ${colour}`;
      img.alt = `${names.get(layer())}${coloured}, ${place.toLowerCase()}`;
    }
    el("tag-left").textContent = names.get(left.value);
    el("tag-right").textContent = names.get(right.value);
    el("error-scale").hidden = !(left.value + right.value).includes("error-");
    stage.setAttribute("aria-label", `${names.get(left.value)} on the left, ${names.get(right.value)} on the right`);
    draw();
    divide();
  }

  let waiting = 0;
  function draw() {
    keepInside();
    if (!waiting) waiting = requestAnimationFrame(paint);
  }

  function paint() {
    waiting = 0;
    const { w, h } = area();
    for (const { box, img } of views) {
      const scale = state.scale * box.clientWidth / stage.clientWidth;
      const dx = box.clientWidth / 2 - state.x * scale, dy = box.clientHeight / 2 - state.y * scale;
      img.style.width = `${w}px`;
      img.style.height = `${h}px`;
      img.style.transform = `translate(${dx}px, ${dy}px) scale(${scale})`;
      img.classList.toggle("crisp", scale * devicePixelRatio >= 2);
    }
    say();
  }

  let speaking = 0;
  function say() {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      const { factor, row, col } = area();
      const percent = Math.round(100 * state.scale / factor);
      const text = `Row ${Math.round(row + state.y * factor)}, column ${Math.round(col + state.x * factor)}, zoom ${percent} %`;
      if (el("status").textContent !== text) el("status").textContent = text;
    }, 150);
  }

  function divide() {
    const share = Number(slider.value);
    el("clip").style.clipPath = `inset(0 0 0 ${share}%)`;
    el("divider").style.left = `${share}%`;
    slider.setAttribute("aria-valuetext", `${names.get(left.value)} ${share} %, ${names.get(right.value)} ${100 - share} %`);
  }

  // Controls

  function press(group, chosen) {
    [...el(group).querySelectorAll("button")].forEach((button, index) => button.setAttribute("aria-pressed", String(index === chosen)));
  }

  function buttons(group, labels, act) {
    labels.forEach((label, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", () => act(index));
      el(group).append(button);
    });
    el(group).hidden = labels.length < 2;
  }

  function choose(select, value) {
    for (const [key, name] of data.layers) select.add(new Option(name, key));
    select.value = value;
    select.addEventListener("change", pictures);
  }

  function colour(index) {
    state.colour = data.colours[index][0];
    press("colours", index);
    pictures();
  }

  // Pointers: one moves, two pinch. Small views move what the stage shows.
  function grab(box) {
    const held = new Map();
    const middle = () => {
      const points = [...held.values()];
      const x = points.reduce((sum, p) => sum + p.x, 0) / points.length, y = points.reduce((sum, p) => sum + p.y, 0) / points.length;
      return { x, y, apart: points.length > 1 ? Math.hypot(points[0].x - points[1].x, points[0].y - points[1].y) : 0 };
    };
    box.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      box.setPointerCapture(event.pointerId);
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      box.classList.add("moving");
    });
    box.addEventListener("pointermove", (event) => {
      if (!held.has(event.pointerId)) return;
      const before = middle();
      held.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const now = middle(), ratio = stage.clientWidth / box.clientWidth, frame = box.getBoundingClientRect();
      move((now.x - before.x) * ratio, (now.y - before.y) * ratio);
      if (before.apart && now.apart) {
        zoom(now.apart / before.apart, (now.x - frame.left - frame.width / 2) * ratio, (now.y - frame.top - frame.height / 2) * ratio);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      box.addEventListener(end, (event) => {
        held.delete(event.pointerId);
        if (!held.size) box.classList.remove("moving");
      });
    }
    box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== stage) return; // else the page scrolls
      event.preventDefault();
      const ratio = stage.clientWidth / box.clientWidth, frame = box.getBoundingClientRect();
      const dx = event.clientX - frame.left - frame.width / 2, dy = event.clientY - frame.top - frame.height / 2;
      zoom(Math.exp(-clamp(event.deltaY, -60, 60) / 200), dx * ratio, dy * ratio);
    }, { passive: false });
  }

  function grabDivider() {
    const divider = el("divider");
    const follow = (event) => {
      const frame = stage.getBoundingClientRect();
      slider.value = String(clamp(Math.round(100 * (event.clientX - frame.left) / frame.width), 0, 100));
      divide();
    };
    divider.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      divider.setPointerCapture(event.pointerId);
    });
    divider.addEventListener("pointermove", (event) => {
      if (divider.hasPointerCapture(event.pointerId)) follow(event);
    });
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { x: stage.clientWidth / 8, y: stage.clientHeight / 8 };
    const acts = {
      ArrowLeft: () => move(step.x, 0),
      ArrowRight: () => move(-step.x, 0),
      ArrowUp: () => move(0, step.y),
      ArrowDown: () => move(0, -step.y),
      "+": () => zoom(1.5),
      "=": () => zoom(1.5),
      "-": () => zoom(1 / 1.5),
      0: () => go(state.place),
    };
    if (!(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  }

  function small([key, name]) {
    const figure = document.createElement("figure"), box = document.createElement("div");
    const img = document.createElement("img"), caption = document.createElement("figcaption");
    box.className = "view";
    img.draggable = false;
    caption.textContent = name;
    box.append(img);
    figure.append(box, caption);
    el("views").append(figure);
    views.push({ box, img, layer: () => key });
    grab(box);
  }

  choose(left, "ms");
  choose(right, data.layers.find(([key]) => key.startsWith("sharp"))[0]);
  buttons("colours", data.colours.map(([, name]) => name), colour);
  buttons("places", data.places.map((place) => place.name), go);
  data.layers.forEach(small);
  grab(stage);
  grabDivider();
  slider.addEventListener("input", divide);
  stage.addEventListener("keydown", keys);
  el("swap").addEventListener("click", () => {
    [left.value, right.value] = [right.value, left.value];
    pictures();
  });
  el("in").addEventListener("click", () => zoom(1.5));
  el("out").addEventListener("click", () => zoom(1 / 1.5));
  el("fit").addEventListener("click", () => go(state.place));
  el("full").addEventListener("click", () => zoom(area().factor / state.scale));

  let width = stage.clientWidth;
  new ResizeObserver(() => {
    state.scale *= stage.clientWidth / width; // the same pixels stay in sight
    width = stage.clientWidth;
    el("views").style.setProperty("--shape", `${stage.clientWidth} / ${stage.clientHeight}`);
    draw();
  }).observe(stage);

  go(Math.min(1, data.places.length - 1));
  colour(0);
})();
