// The filters and the selection of the page as Python and as SQL.

const number = (value) => (Object.is(value, -0) ? "0" : String(value));

function python(value) {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return number(value);
  // Python reads every escape of a JSON string.
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`)
    // Characters beyond 16 bits are two escapes in JSON and one in Python.
    .replace(/\\u(d[89ab]..)\\u(d[c-f]..)/g, (_, high, low) => {
      const code = (parseInt(high, 16) - 0xd800) * 0x400 + parseInt(low, 16) - 0xdc00 + 0x10000;
      return `\\U${code.toString(16).padStart(8, "0")}`;
    });
}

function sql(value) {
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "number") return number(value);
  return `'${value.replaceAll("'", "''")}'`;
}

const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

function conditions(table) {
  const found = [...table.filters].map(([name, filter]) => ({name, ...filter}));
  if (table.picks.size) {
    const rows = [...table.picks].sort((a, b) => a - b);
    found.push({name: "job_id", levels: rows.map((row) => jobId(table, row))});
  }
  return found;
}

const jobId = (table, row) => (table.about.job_ids || table.ids)[row];

// Python that gives these jobs as the frame `chosen`. `source` are lines that make the frame `jobs`,
// `labeled` those that make it with the columns of labels.
export function asPython(table, source, labeled) {
  const found = conditions(table);
  const needsLabels = found.some(({name}) => table.columns.get(name)?.group === "label");
  const parts = found.map(({name, levels, from, to}) => levels
    ? `jobs[${python(name)}].isin([${levels.map(python).join(", ")}])`
    : `jobs[${python(name)}].between(${number(from)}, ${number(to)})`);
  const chosen = parts.length ? `chosen = jobs[${parts.join("\n    & ")}]` : "chosen = jobs";
  return `${needsLabels ? labeled : source}\n${chosen}`;
}

// The same as SQL over results: `results.infinity.sql(...)` or `infinity-frames sql FOLDER ...`.
export function asSql(table) {
  const parts = conditions(table).map(({name, levels, from, to}) => levels
    ? `${quoted(name)} IN (${levels.map(sql).join(", ")})`
    : `${quoted(name)} BETWEEN ${number(from)} AND ${number(to)}`);
  return parts.length ? `SELECT * FROM jobs\nWHERE ${parts.join("\n  AND ")}` : "SELECT * FROM jobs";
}
