// Typeset, start reveal.js, and make every slide fit its screen.
const WIDTH = 1280, HEIGHT = 720, ROOM = 690, ACROSS = 1200;
const SIZES = [1.35, 1.2, 1.1, 1, 0.93, 0.86, 0.8, 0.74, 0.68];

function screens() {
  return [...document.querySelectorAll(".slides section")].filter((section) => !section.querySelector("section"));
}

function fit(slide) {
  const pictures = [...slide.querySelectorAll("img")].filter((picture) => getComputedStyle(picture).display !== "none");
  if (pictures.length) enlarge(slide, pictures);
  else if (!SIZES.some((size) => fits(slide, size))) slide.classList.add("scrolls");
}

function fits(slide, size) {
  slide.style.setProperty("--size", size);
  slide.dataset.size = size;
  slide.querySelectorAll('mjx-container[width="full"]').forEach(narrow);
  return slide.scrollHeight <= ROOM;
}

// A numbered formula keeps its natural width; where that is more than the slide's, its letters become smaller.
function narrow(formula) {
  formula.style.fontSize = "100%";
  const room = formula.parentElement.clientWidth;
  if (formula.offsetWidth > room) formula.style.fontSize = `${(100 * room) / formula.offsetWidth}%`;
}

// A picture without its title, which the headline repeats, is as wide as the slide, or as high as the headline leaves room for.
function enlarge(slide, pictures) {
  pictures.forEach((picture) => (picture.style.height = "1px"));
  const left = (ROOM - slide.scrollHeight) / pictures.length;
  for (const picture of pictures) {
    const shape = picture.naturalWidth / picture.naturalHeight / (1 - Number(picture.dataset.title));
    const width = Math.min(ACROSS, left * shape);
    Object.assign(picture.style, { width: `${width}px`, height: `${width / shape}px` });
  }
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
