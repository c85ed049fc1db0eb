import { describe, expect, test } from "vitest";
import { HttpAnswers } from "../../../../loadgen/channels/http-answers.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-type: a/b\r\n\r\nhello";
const BAD = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 13\r\n\r\n{"error":"x"}';
const EMPTY = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

function answersOf(bytes: Buffer, pieceBytes: number): readonly string[] {
  const heard: string[] = [];
  const answers = new HttpAnswers({ answer: (status, body) => heard.push(`${status} ${body}`) });
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) answers.push(bytes.subarray(offset, offset + pieceBytes));
  return heard;
}

describe("answers of HTTP/1.1", () => {
  test("are told apart however the bytes are cut", () => {
    const bytes = Buffer.from(OK + BAD + EMPTY + OK);
    for (let pieceBytes = 1; pieceBytes <= bytes.length; pieceBytes++) {
      expect(answersOf(bytes, pieceBytes), `pieces of ${pieceBytes}`).toEqual(["200 ", '400 {"error":"x"}', "200 ", "200 "]);
    }
  });

  test("without a length are refused", () => {
    expect(() => answersOf(Buffer.from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), 1_000)).toThrow("no content-length");
    expect(() => answersOf(Buffer.from("SSH-2.0-x\r\n\r\n"), 1_000)).toThrow("SSH-2.0");
  });
});
