// The reader's choices for server-rendered pages, in cookies that hold nothing else.

const A_YEAR = 31_536_000;

export function rememberForSite(name: string, choice: string): void {
  document.cookie = `${name}=${choice}; path=/; max-age=${choice === "" ? 0 : A_YEAR}; samesite=lax`;
}
