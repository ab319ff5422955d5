// Cells of rows of requests.
import type { Documents } from "../api/client.ts";
import { count as shown } from "./numbers.ts";
import { requestStatus } from "./requests.ts";
import { StatusDot } from "./StatusDot.tsx";
import { Time } from "./Time.tsx";

/** How it ended and when: to the second today, before that with the day. */
export function Ended({ request }: { request: Documents["RequestDocument"] }) {
  const { status, label } = requestStatus(request);
  const today = new Date(request.ended_at).toDateString() === new Date().toDateString();
  return (
    <>
      <StatusDot status={status} label={label} />
      {today ? (
        <Time at={request.ended_at} as="clock" />
      ) : (
        <span className="soft">
          <Time at={request.ended_at} as="dayClock" />
        </span>
      )}
    </>
  );
}

/** A count, or a dash if there is none. */
export function TokenCount({ count }: { count: number | null }) {
  return count === null ? "–" : shown(count);
}
