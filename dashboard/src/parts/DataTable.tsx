// A table of rows of one height: cursor pages, virtual rows, keyboard movement, live rows that pause.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import style from "./DataTable.module.css";

const ROW = 36; // until one can be measured
const OVERSCAN = 12;
const DRAWN_WHOLE = 150; // up to this many rows, all are drawn

export interface Column<Row> {
  id: string;
  head: ReactNode;
  cell: (row: Row) => ReactNode;
  align?: "end";
  narrow?: "hide" | "tablet" | "laptop"; // the widest screen that hides it: phone, tablet or small laptop
  under?: (row: Row) => ReactNode; // a second line on a phone
  wide?: boolean; // takes the remaining width
}

interface Props<Row> {
  label: string; // the table's name for screen readers
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string;
  onOpen?: (row: Row) => void; // by click and by Enter
  chosen?: string | null; // key of the open row
  fresh?: ReadonlySet<string>; // keys of new rows
  more?: { load: () => void; busy: boolean } | null; // null if there are no more
}

export function DataTable<Row>({ label, rows, columns, rowKey, onOpen, chosen, fresh, more }: Props<Row>) {
  const frame = useRef<HTMLDivElement>(null);
  const { from, to, height } = useWindow(frame, rows.length);
  return (
    <div className={style.frame} ref={frame}>
      <table className={style.table} aria-label={label} aria-rowcount={more ? -1 : rows.length}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.id} scope="col" {...marks(column)}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={moveFocus}>
          {from > 0 && <tr aria-hidden="true" style={{ height: from * height }} />}
          {rows.slice(from, to).map((row) => {
            const key = rowKey(row);
            return (
              <tr
                key={key}
                data-open={onOpen && "true"}
                data-chosen={key === chosen}
                data-fresh={fresh?.has(key)}
                tabIndex={onOpen ? 0 : undefined}
                onClick={onOpen && ((event) => (event.target as Element).closest("a, button") ?? onOpen(row))}
                onKeyDown={onOpen && ((event) => event.key === "Enter" && event.target === event.currentTarget && onOpen(row))}
              >
                {columns.map((column) => (
                  <td key={column.id} {...marks(column)}>
                    {column.cell(row)}
                    {column.under && <span className={style.under}>{column.under(row)}</span>}
                  </td>
                ))}
              </tr>
            );
          })}
          {to < rows.length && <tr aria-hidden="true" style={{ height: (rows.length - to) * height }} />}
        </tbody>
      </table>
      {more && (
        <div className={style.more}>
          <Button variant="default" onClick={more.load} loading={more.busy}>
            {i18n._("Show more")}
          </Button>
        </div>
      )}
    </div>
  );
}

/** The rows to draw, those in sight and some around them, and the height of a row. */
function useWindow(frame: React.RefObject<HTMLElement | null>, total: number) {
  const [first, setFirst] = useState(0);
  const [height, setHeight] = useState(ROW);
  useEffect(() => {
    if (total <= DRAWN_WHOLE) return;
    const look = () => {
      const row = frame.current?.querySelector("tbody tr:not([aria-hidden])")?.getBoundingClientRect().height || ROW;
      const above = -(frame.current?.getBoundingClientRect().top ?? 0);
      setHeight(row);
      setFirst(Math.max(0, Math.floor(above / row / OVERSCAN) * OVERSCAN - OVERSCAN));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [frame, total]);
  if (total <= DRAWN_WHOLE) return { from: 0, to: total, height };
  return { from: Math.min(first, total), to: Math.min(total, first + Math.ceil(innerHeight / height) + 3 * OVERSCAN), height };
}

/** Arrow keys move between rows. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const row = (event.target as Element).closest("tr");
  const next = event.key === "ArrowDown" ? row?.nextElementSibling : event.key === "ArrowUp" ? row?.previousElementSibling : null;
  if (!(next instanceof HTMLElement) || event.target !== row) return;
  event.preventDefault();
  next.focus();
}

function marks<Row>(column: Column<Row>) {
  return { "data-align": column.align, "data-narrow": column.narrow, "data-wide": column.wide };
}

/** Rows that do not change while the pointer or the focus is on them. Spread `hold` on the element around the table. */
export function useStillRows<Row>(live: readonly Row[]) {
  const [held, setHeld] = useState<readonly Row[] | null>(null);
  const keep = () => setHeld((now) => now ?? live);
  const release = () => setHeld(null);
  const leave = (event: React.FocusEvent) => event.currentTarget.contains(event.relatedTarget) || release();
  return {
    rows: held ?? live,
    waiting: held !== null && held !== live,
    hold: { onPointerEnter: keep, onPointerLeave: release, onFocus: keep, onBlur: leave },
  };
}
