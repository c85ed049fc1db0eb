/** A failure as an event of a stream, in Triton's form. Pure. */
import type { ServingError } from "../../core/errors.ts";

export const errorFrame = ({ message }: ServingError): string => `data: ${JSON.stringify({ error: message })}\n\n`;
