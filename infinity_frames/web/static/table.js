// The jobs of a page as columns, and which of them pass the filters.

import {request} from "./dom.js";

export class Table extends EventTarget {
  constructor(base) {
    super();
    this.base = base;
    this.filters = new Map(); // column -> {from, to} or {levels: [...]}
    this.picks = new Set(); // rows
    this.visible = []; // rows that pass every filter
  }

  async load() {
    const found = await request(`${this.base}/table`);
    this.about = found;
    this.ids = found.ids;
    this.columns = new Map(found.columns.map((column) => [column.name, column]));
    this.values = found.values;
    this.rows = new Map(this.ids.map((id, row) => [id, row]));
    this.update();
  }

  // Request the columns of a group again; their values are loaded when needed.
  async refresh(group) {
    const {columns} = await request(`${this.base}/table`);
    for (const column of columns.filter((one) => one.group === group)) {
      this.columns.set(column.name, column);
      delete this.values[column.name];
    }
  }

  // Columns that differ between jobs, those of the state last.
  varying() {
    const all = [...this.columns.values()].filter((column) => column.varies);
    return [...all.filter((c) => c.group !== "state"), ...all.filter((c) => c.group === "state")];
  }

  async ensure(...names) {
    const missing = names.filter((name) => this.columns.has(name) && !(name in this.values));
    if (!missing.length) return;
    const query = missing.map((name) => `column=${encodeURIComponent(name)}`).join("&");
    Object.assign(this.values, (await request(`${this.base}/table?${query}`)).values);
  }

  isNumber(name) {
    return this.columns.get(name)?.type === "number";
  }

  // The value of a column in a row; null where it is missing.
  value(name, row) {
    const values = this.values[name];
    if (values === undefined) return null;
    if (Array.isArray(values)) return values[row];
    return values.codes[row] < 0 ? null : values.levels[values.codes[row]];
  }

  setFilter(name, filter) {
    if (filter) this.filters.set(name, filter);
    else this.filters.delete(name);
    this.update();
  }

  clear() {
    this.filters.clear();
    this.picks.clear();
    this.update();
  }

  togglePick(row, on = !this.picks.has(row)) {
    if (on) this.picks.add(row);
    else this.picks.delete(row);
    this.dispatchEvent(new Event("picks"));
  }

  update() {
    const tests = [...this.filters].map(([name, filter]) => this.#test(name, filter));
    this.visible = [];
    for (let row = 0; row < this.ids.length; row += 1) {
      if (tests.every((test) => test(row))) this.visible.push(row);
    }
    this.dispatchEvent(new Event("change"));
  }

  #test(name, filter) {
    const values = this.values[name];
    if (values === undefined) return () => true;
    if (filter.levels) {
      const levels = new Set(filter.levels);
      if (Array.isArray(values)) return (row) => levels.has(values[row]);
      const passes = values.levels.map((level) => levels.has(level));
      return (row) => passes[values.codes[row]] === true;
    }
    return (row) => {
      const value = values[row];
      return value !== null && value >= filter.from && value <= filter.to;
    };
  }

  // Change the state of jobs while the page is open.
  setState(ids, columns) {
    for (const [name, changed] of Object.entries(columns)) {
      const column = this.values[name];
      if (column === undefined) continue;
      changed.forEach((value, at) => {
        const row = this.rows.get(ids[at]);
        if (row !== undefined) set(column, row, value);
      });
      const known = this.columns.get(name);
      if (!Array.isArray(column)) known.varies ||= new Set(column.codes).size > 1;
    }
    this.update();
  }
}

function set(column, row, value) {
  if (Array.isArray(column)) {
    column[row] = value;
  } else if (value === null || value === undefined) {
    column.codes[row] = -1;
  } else {
    let code = column.levels.indexOf(value);
    if (code < 0) code = column.levels.push(value) - 1;
    column.codes[row] = code;
  }
}
