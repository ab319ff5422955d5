// Finds a page, an action, a key, a model or an id: by ⌘K or the top bar, with the keyboard alone.
import { i18n } from "@lingui/core";
import { Combobox, Modal, useCombobox } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { keyName } from "../pages/keys/describe.ts";
import { keysQuery } from "../pages/keys/queries.ts";
import { useScope } from "./account.tsx";
import style from "./Finder.module.css";
import { actions, type Found, idOf, matches, modelsQuery } from "./findable.ts";
import { usePageNames } from "./pageNames.ts";
import { usePages } from "./usePages.ts";

const MOST = 12; // results of each kind

export function Finder({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const combobox = useCombobox({ opened: true });
  const { history } = useRouter();
  const groups = useFindable(text);
  const go = (address: string) => {
    onClose();
    if (address.startsWith("/dashboard")) history.push(address);
    else location.assign(address);
  };
  return (
    <Modal opened onClose={onClose} withCloseButton={false} centered={false} padding={0} yOffset="12vh" size={560} aria-label={i18n._("Find")}>
      <Combobox store={combobox} onOptionSubmit={go}>
        <Combobox.EventsTarget>
          <input
            className={style.input}
            placeholder={i18n._("Page, key, model or ID")}
            aria-label={i18n._("Find")}
            data-autofocus
            spellCheck={false}
            autoComplete="off"
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
              combobox.selectFirstOption();
            }}
          />
        </Combobox.EventsTarget>
        <Combobox.Options className={style.options} aria-label={i18n._("Find")}>
          {groups.map(({ title, found }) => (
            <Combobox.Group key={title} label={title}>
              {found.map((each) => (
                <Combobox.Option key={each.address} value={each.address} className={style.option}>
                  <span className={each.isId ? "mono" : undefined}>{each.label}</span>
                </Combobox.Option>
              ))}
            </Combobox.Group>
          ))}
          {groups.length === 0 && <Combobox.Empty>{i18n._("No matches. You can also enter a full ID.")}</Combobox.Empty>}
        </Combobox.Options>
      </Combobox>
    </Modal>
  );
}

interface FoundGroup {
  title: string;
  found: readonly Found[];
}

/** Matches by kind, without empty kinds. */
function useFindable(text: string): FoundGroup[] {
  const { account } = useScope();
  const names = usePageNames();
  const pages = usePages();
  const keys = useQuery(keysQuery(account.id)).data ?? [];
  const models = useQuery(modelsQuery).data ?? [];
  const id = idOf(text.trim());
  const all: FoundGroup[] = [
    { title: i18n._("By ID"), found: id ? [id] : [] },
    { title: i18n._("Pages"), found: pages },
    { title: i18n._("Actions"), found: actions(account.rights) },
    { title: names.keys, found: text === "" ? [] : keys.map((key) => ({ label: keyName(key), address: `/dashboard/keys/${key.id}` })) },
    { title: i18n._("Models"), found: text === "" ? [] : models.map(({ id: name }) => ({ label: name, address: `/models/${name}` })) },
  ];
  return all
    .map(({ title, found }) => ({ title, found: found.filter((each) => each.isId || matches(each.label, text)).slice(0, MOST) }))
    .filter(({ found }) => found.length > 0);
}
