// Typeset, start reveal.js, and make every slide fit its screen.
const WIDTH = 1280, HEIGHT = 720, ROOM = 690;
const SMALLEST_PICTURE = 300; // pixels: below that, letters in a figure cannot be read from the last row
const TALL_PICTURE = 420; // up to here, text of SMALL_TEXT or more makes room for a figure at its own size
const SMALL_TEXT = 0.8;
const LARGEST = 1.6;
const SIZES = [1, 0.93, 0.86, 0.8, 0.74, 0.68];

function screens() {
  return [...document.querySelectorAll(".slides section")].filter((section) => !section.querySelector("section"));
}

function fit(slide) {
  const pictures = [...slide.querySelectorAll("img")];
  if (pictures.length === 1 && pictures[0].naturalWidth < 1.25 * pictures[0].naturalHeight) slide.classList.add("beside");
  const below = slide.classList.contains("beside") ? [] : pictures;
  const tries = SIZES.map((size) => [size, SMALLEST_PICTURE]);
  if (below.length) tries.unshift(...SIZES.filter((size) => size >= SMALL_TEXT).map((size) => [size, ownHeight(below)]));
  if (!tries.some(([size, least]) => fits(slide, below, size, least))) slide.classList.add("scrolls");
}

function fits(slide, pictures, size, least) {
  slide.style.setProperty("--size", size);
  slide.dataset.size = size;
  slide.querySelectorAll('mjx-container[width="full"]').forEach(narrow);
  if (pictures.length) shrink(slide, pictures, least);
  return slide.scrollHeight <= ROOM;
}

function ownHeight(pictures) {
  const heights = pictures.map(({ naturalWidth, naturalHeight }) => Math.min(1, 1180 / naturalWidth) * naturalHeight);
  return Math.min(TALL_PICTURE, Math.max(...heights));
}

// A numbered formula keeps its natural width; where that is more than the slide's, its letters become smaller.
function narrow(formula) {
  formula.style.fontSize = "100%";
  const room = formula.parentElement.clientWidth;
  if (formula.offsetWidth > room) formula.style.fontSize = `${(100 * room) / formula.offsetWidth}%`;
}

// A picture takes the room that the text leaves, at least that height, up to LARGEST times its own size.
function shrink(slide, pictures, least) {
  pictures.forEach((picture) => (picture.style.height = "1px"));
  const left = Math.max(ROOM - slide.scrollHeight, least) / pictures.length;
  pictures.forEach((picture) => {
    const enlarged = Math.min(LARGEST, 1180 / picture.naturalWidth) * picture.naturalHeight;
    picture.style.height = `${Math.min(left, enlarged)}px`;
  });
}

// reveal.js hides all slides but the present one; a hidden slide has no height, so each is shown while it is measured.
function fitAll() {
  for (const slide of screens()) {
    const shown = [slide, slide.parentElement.closest("section")].filter(Boolean);
    const before = shown.map((section) => section.style.display);
    shown.forEach((section) => (section.style.display = "block"));
    fit(slide);
    shown.forEach((section, place) => (section.style.display = before[place]));
  }
}

async function start() {
  await MathJax.startup.promise;
  await MathJax.typesetPromise();
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  await Reveal.initialize({
    width: WIDTH, height: HEIGHT, margin: 0.02, center: false, hash: true, transition: "none", controls: false, slideNumber: "c/t", pdfSeparateFragments: false, plugins: [RevealNotes],
  });
  fitAll();
  Reveal.layout();
  document.body.dataset.ready = "true";
}

window.addEventListener("load", start);
