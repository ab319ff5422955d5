// Chooses a role, with a description of each, among those that the user may grant.
import { Radio } from "@mantine/core";
import { roleName } from "../../shell/menus.tsx";
import type { Role } from "./queries.ts";
import { roleWords } from "./roles.ts";
import style from "./Settings.module.css";

interface Props {
  label: string;
  roles: readonly Role[];
  defaultValue?: string;
  onChange?: (role: string) => void;
}

export function RoleChoice({ label, roles, ...props }: Props) {
  return (
    <Radio.Group label={label} {...props}>
      <div className={style.roles}>
        {roles.map((role) => (
          <Radio key={role} value={role} label={capitalised(roleName(role))} description={roleWords(role)} />
        ))}
      </div>
    </Radio.Group>
  );
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
