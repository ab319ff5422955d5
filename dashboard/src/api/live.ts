// An account's live events: one stream per page, resumed where it was cut.
import { useEffect, useSyncExternalStore } from "react";
import type { Documents } from "./client.ts";

/** Events by name. An event says what changed; documents hold the current state. */
export interface LiveEvents {
  balance: Documents["BalanceDocument"];
  request: Documents["RequestDocument"];
  cashback: unknown;
}

/** `since`: when the stream was lost, in ms; null while it is connected. */
export interface LiveState {
  since: number | null;
}

type Name = keyof LiveEvents;
type Listener = (event: never) => void;

const SILENCE_MS = 45_000; // two heartbeats
const RETRY_MS = 3_000;

export class LiveStream {
  private source: EventSource | null = null;
  private state: LiveState = { since: null };
  private timer = 0;
  private readonly listeners = new Map<Name, Set<Listener>>();
  private readonly watchers = new Set<() => void>();

  constructor(private readonly account: string) {}

  open(): void {
    this.source = new EventSource(`/api/accounts/${this.account}/events`);
    this.source.onopen = this.alive;
    this.source.onerror = this.lost;
    this.source.addEventListener("heartbeat", this.alive);
    for (const name of ["balance", "request", "cashback"] as const) {
      this.source.addEventListener(name, (event) => this.deliver(name, (event as MessageEvent<string>).data));
    }
    this.expect();
  }

  close(): void {
    this.source?.close();
    clearTimeout(this.timer);
  }

  on<N extends Name>(name: N, listener: (event: LiveEvents[N]) => void): () => void {
    const those = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, those.add(listener as Listener));
    return () => those.delete(listener as Listener);
  }

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  now = (): LiveState => this.state;

  private deliver(name: Name, data: string): void {
    this.alive();
    const event = JSON.parse(data) as never;
    for (const listener of this.listeners.get(name) ?? []) listener(event);
  }

  private readonly alive = (): void => {
    this.set(null);
    this.expect();
  };

  private readonly lost = (): void => {
    this.set(this.state.since ?? Date.now());
    if (this.source?.readyState !== EventSource.CLOSED) return; // the browser retries by itself
    clearTimeout(this.timer);
    this.timer = window.setTimeout(this.again, RETRY_MS);
  };

  private readonly again = (): void => {
    this.source?.close();
    this.open();
  };

  /** A stream that is silent for two heartbeats is lost, whatever the connection says. */
  private expect(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.set(this.state.since ?? Date.now());
      this.again();
    }, SILENCE_MS);
  }

  private set(since: number | null): void {
    if (since === this.state.since) return;
    this.state = { since };
    for (const watcher of this.watchers) watcher();
  }
}

export function useLiveState(stream: LiveStream): LiveState {
  return useSyncExternalStore(stream.watch, stream.now);
}

export function useLiveEvent<N extends Name>(stream: LiveStream, name: N, listener: (event: LiveEvents[N]) => void): void {
  useEffect(() => stream.on(name, listener), [stream, name, listener]);
}
