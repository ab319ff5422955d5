// Why a notice was not delivered: words for the codes of the API.
import type { Documents } from "../../api/client.ts";
import { sayReason } from "../../api/refusals.ts";

export function deliveryFault({ fault, fault_code: code, fault_status: status }: Documents["NoticeDeliveryDocument"]): string | null {
  return (code && sayReason(code, status === null ? {} : { status })) ?? fault;
}
