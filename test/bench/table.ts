/** What the bench prints: figures, each beside its target. */

export interface Figure {
  readonly name: string;
  /** The measured value as text, with its unit. */
  readonly value: string;
  /** What it is to be, scaled to the machine where the goal scales; absent: told for information. */
  readonly target?: string;
  readonly holds?: boolean;
}

export interface SectionReport {
  readonly name: string;
  readonly title: string;
  /** How it was measured, in a sentence or two. */
  readonly method: string;
  readonly figures: readonly Figure[];
}

/** A figure that has no goal. */
export function told(name: string, value: string): Figure {
  return { name, value };
}

/** A figure that must be `limit` or less. */
export function atMost(name: string, measured: number, limit: number, unit: string): Figure {
  return {
    name,
    value: amount(measured, unit),
    target: `<= ${amount(limit, unit)}`,
    holds: measured <= limit,
  };
}

/** A figure that must be `limit` or more. */
export function atLeast(name: string, measured: number, limit: number, unit: string): Figure {
  return {
    name,
    value: amount(measured, unit),
    target: `>= ${amount(limit, unit)}`,
    holds: measured >= limit,
  };
}

/** A number as people read it: thousands apart, digits by size. */
export function amount(value: number, unit: string): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  const text = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return unit === "" ? text : `${text} ${unit}`;
}

/** One section as lines of text: title, method, and a row for each figure. */
export function renderSection(report: SectionReport): string {
  const rows = report.figures.map((figure) => [
    figure.name,
    figure.value,
    figure.target ?? "",
    figure.holds === undefined ? "" : figure.holds ? "holds" : "MISSED",
  ]);
  const widths = [0, 1, 2].map((column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 1 || column === 2
          ? cell.padStart(widths[column] ?? 0)
          : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return [`## ${report.title}`, report.method, ...lines.map((line) => `  ${line}`)].join("\n");
}
