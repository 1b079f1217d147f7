/* The buttons of a prediction, or its field for a number; what is said to an answer; the answers that unfold below. */

const WIDGET = "application/vnd.jupyter.widget-view+json";

function add(parent, tag, className = "", html = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.innerHTML = html;
  parent.append(element);
  return element;
}

/* The cells that show the answer: those tagged so between this prediction and the next. None where this is not JupyterLab. */
function answers(model) {
  const cells = [...(model.widget_manager?.context?.model?.cells ?? [])];
  const tagged = (cell, tag) => (cell.getMetadata("tags") ?? []).includes(tag);
  const outputs = (cell) => Array.from({ length: cell.outputs?.length ?? 0 }, (_, i) => cell.outputs.get(i));
  const own = cells.findIndex((cell) => outputs(cell).some((one) => one.data[WIDGET]?.model_id === model.get("identity")));
  if (own < 0) return [];
  const after = cells.slice(own + 1);
  const next = after.findIndex((cell) => tagged(cell, "prediction"));
  return after.slice(0, next < 0 ? after.length : next).filter((cell) => tagged(cell, "answer"));
}

function fold(model, hidden) {
  for (const cell of answers(model)) {
    cell.setMetadata("jupyter", { ...cell.getMetadata("jupyter"), outputs_hidden: hidden });
  }
}

function render({ model, el }) {
  const box = add(el, "div", "bal-buttons");
  box.setAttribute("role", "group");
  box.setAttribute("data-lm-suppress-shortcuts", ""); // Enter presses a button and does not edit the cell
  const question = add(box, "div", "bal-question", `<strong>Predict.</strong> ${model.get("question")}`);
  question.id = `bal-question-${model.get("identity")}`;
  box.setAttribute("aria-labelledby", question.id);
  const row = add(box, "div", "bal-row");
  const buttons = model.get("choices").length ? choices(model, row) : number(model, row);
  const said = add(box, "div", "bal-said");
  said.setAttribute("role", "status");
  const hints = add(box, "div", "bal-hints");
  hint(model, row, hints);

  const show = () => {
    const answer = model.get("answer");
    if (!answer) return;
    const verdict = model.get("verdicts")[answer];
    said.innerHTML = verdict?.html ?? "<p>Waiting for the kernel …</p>";
    if (model.get("trouble")) add(said, "p").textContent = model.get("trouble");
    for (const button of buttons) {
      const pressed = button.value === answer;
      button.setAttribute("aria-pressed", pressed);
      button.dataset.verdict = !pressed || !verdict ? "" : verdict.right ? "right" : "wrong";
    }
    typeset(model, said);
  };
  const unfold = () => fold(model, false);
  model.on("change:answer change:verdicts change:trouble", show);
  model.on("change:answer", unfold);
  show();
  typeset(model, box);
  if (!model.get("answer")) fold(model, true); // JupyterLab opens an output whenever its cell is run
  return () => {
    model.off("change:answer change:verdicts change:trouble", show);
    model.off("change:answer", unfold);
  };
}

function choices(model, row) {
  return model.get("choices").map(([value, words]) => {
    const button = add(row, "button", "bal-choice", words);
    button.type = "button";
    button.value = value;
    button.onclick = () => answer(model, value);
    return button;
  });
}

function number(model, row) {
  const field = add(add(row, "label", "", "A number "), "input", "bal-number");
  field.inputMode = "decimal";
  field.value = model.get("answer");
  const button = add(row, "button", "bal-choice", "Check");
  button.type = "button";
  const check = () => field.value.trim() && answer(model, field.value.trim());
  button.onclick = check;
  field.onkeydown = (event) => event.key === "Enter" && check();
  return [];
}

function answer(model, value) {
  model.set("answer", value);
  model.save_changes();
}

function hint(model, row, hints) {
  const all = model.get("hints");
  const button = add(row, "button", "bal-hint", "Hint");
  button.type = "button";
  hints.setAttribute("role", "status");
  button.onclick = () => {
    const read = Math.min(model.get("hints_read") + 1, all.length);
    model.set("hints_read", read);
    model.save_changes();
    hints.innerHTML = all.slice(0, read).map((text, i) => `<p><strong>Hint ${i + 1} of ${all.length}.</strong> ${text}</p>`).join("");
    typeset(model, hints);
  };
}

function typeset(model, element) {
  model.widget_manager?.rendermime?.latexTypesetter?.typeset(element);
}

export default { render };
