"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("script");

  // Sorting: models move, controls stay; rows without a value come last, in either direction.
  const values = (row, at) => {
    const text = row.cells[at].dataset.value;
    return text === undefined || text === "" ? null : Number.isNaN(Number(text)) ? text : Number(text);
  };
  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
  function sort(head, direction) {
    const table = head.closest("table");
    const body = table.querySelector("tbody.models");
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [values(row, head.cellIndex), row]);
    rows.sort(([one], [other]) => (one === null || other === null ? (one === null) - (other === null) : sign * compare(one, other)));
    body.append(...rows.map(([, row]) => row));
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", direction);
  }
  all("th[data-key] > button").forEach((button) =>
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const first = head.dataset.first || "ascending";
      const turned = first === "ascending" ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? turned : first;
      sort(head, direction);
      history.replaceState(null, "", `#sort=${encodeURIComponent(`${head.closest("table").dataset.slug}/${head.dataset.key}/${direction}`)}`);
    }),
  );

  all(".search input").forEach((input) =>
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      const ranking = input.closest(".ranking");
      ranking.classList.toggle("filtered", wanted !== "");
      all("tbody.models tr", ranking).forEach((row) => {
        row.hidden = !row.cells[0].dataset.value.toLowerCase().includes(wanted);
      });
    }),
  );

  // Films: one slider each, and one that moves all to the same share of their training.
  function show(film, at) {
    const frames = all(".frames img", film);
    frames.forEach((frame, index) => (frame.hidden = index !== at));
    const slider = film.querySelector("input[type=range]");
    slider.value = at;
    slider.setAttribute("aria-valuetext", frames[at].dataset.said);
    film.querySelector("output").value = frames[at].dataset.said;
  }
  all(".film").forEach((film) => {
    const slider = film.querySelector("input[type=range]");
    slider.addEventListener("input", () => show(film, Number(slider.value)));
    show(film, Number(slider.max));
  });
  const together = (master) =>
    all(`.films[data-slug="${CSS.escape(master.dataset.films)}"] .film`).forEach((film) =>
      show(film, Math.round((film.querySelector("input[type=range]").max * master.value) / 100)),
    );
  all("input[data-films]").forEach((master) => master.addEventListener("input", () => together(master)));

  all(".copy").forEach((button) =>
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    }),
  );

  // A link may ask for a state: #sort=TABLE/METRIC/descending, #face=TABLE/2, #time=TABLE/40.
  function follow() {
    const [what, rest] = location.hash.slice(1).split("=");
    if (rest === undefined) return;
    const [slug, key, direction] = decodeURIComponent(rest).split("/");
    if (what === "sort") {
      const head = document.querySelector(`table[data-slug="${CSS.escape(slug)}"] th[data-key="${CSS.escape(key)}"]`);
      if (head) sort(head, direction === "descending" ? direction : "ascending");
    }
    if (what === "face") {
      const radio = document.querySelector(`.wall[data-slug="${CSS.escape(slug)}"] input[value="${CSS.escape(key)}"]`);
      if (radio) radio.checked = true;
    }
    if (what === "time") {
      const master = document.querySelector(`input[data-films="${CSS.escape(slug)}"]`);
      if (master) together(Object.assign(master, { value: key }));
    }
  }
  addEventListener("hashchange", follow);
  follow();

  // Paper shows what a reader would open: the commands, not the records.
  const opened = [];
  addEventListener("beforeprint", () => {
    all("details.origin:not([open]), details.more:not([open])").slice(0, 40).forEach((part) => {
      part.open = true;
      opened.push(part);
    });
  });
  addEventListener("afterprint", () => opened.splice(0).forEach((part) => (part.open = false)));
})();
