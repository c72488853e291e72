"""What hostile clients send, in the manner of the OWASP lists: paths, texts, bodies, headers, and bytes on the wire."""

from __future__ import annotations

import itertools

MARK = "the-content-of-a-file-5b1c"
PRODUCT = str(1337 * 1337)  # what an evaluated template would print
LEAKS = (MARK, PRODUCT, "root:x:0:0", "Traceback", "sqlite3.", "sqlalchemy", "psycopg", "syntax error", "SQLite format")
UPS = ("../", "..\\", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "%252e%252e%252f", "..%c0%af", "..%ef%bc%8f", "....//",
       "..;/", ".%00./", "..%00/", "/..//", "%u002e%u002e%u2215")  # fmt: skip
TARGETS = ("secret.txt", "session.key", "persona.db", "etc/passwd", "proc/self/environ", "windows/win.ini")
BASES = ("/", "/i/", "/static/", "/v1/users/", "/v1/styles/", "/for/", "/v1/users/demo-ana/looks/", "/docs/")
PATHS = [
    *(f"{base}{up * depth}{target}" for base, up, (depth, target) in itertools.product(
        BASES, UPS, ((1, "secret.txt"), (2, "session.key"), (6, "etc/passwd"))
    )),
    *(f"{base}{target}" for base, target in itertools.product(BASES, TARGETS)),
    "//evil.example/%2f..", "//evil.example", "/\\evil.example", "/%0d%0aSet-Cookie:evil=1", "/%0aX-Evil:1",
    "/i/file:///etc/passwd", "/i/" + "0" * 64 + ".webp/../../secret.txt", "/i/" + "0" * 63 + "%00.webp",
    "/static/%00", "/static/..%00.css", "/for?user=%00", "/for?user=../../secret.txt", "/?x=%0d%0aX-Evil:1",
    "/.env", "/.git/config", "/admin", "/server-status", "/actuator/env", "/v1/../metrics", "/debug?__debugger__=yes",
    "/" + "a/" * 2000, "/" + "%00" * 500, "/%", "/%zz", "/%ff%fe", "/v1/users/%F0%9F%92%A9", "/v1/users/%ED%A0%80",
]  # fmt: skip
TEXTS = [
    # SQL
    "' OR '1'='1", "'; DROP TABLE users; --", "\" OR \"\"=\"", "1; SELECT pg_sleep(9)",
    "') UNION SELECT 1 FROM api_keys --",
    "u1'||(SELECT 1/0)||'", "\\'; --", "%' OR 1=1 --", "admin'/*", "1 AND 1=(SELECT COUNT(*) FROM sqlite_master)",
    # templates, shells, formats, object walks
    "{{1337*1337}}", "${1337*1337}", "#{1337*1337}", "<%= 1337*1337 %>", "{{config}}", "{{''.__class__.__mro__}}",
    "{0.__class__}", "%(home)s", "%s%s%s%n", "$(cat /etc/passwd)", "`id`", "| cat secret.txt", "; sleep 9", "__proto__",
    "constructor", "__class__", "${jndi:ldap://127.0.0.1:1/a}", "=cmd|' /C calc'!A0",
    # pages
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)", "<svg/onload=alert(1)>",
    "'-alert(1)-'", "</title><script>alert(1)</script>", "&lt;script&gt;", "data:text/html,<script>alert(1)</script>",
    # headers, unicode, control characters
    "a\r\nX-Evil: 1", "a\nSet-Cookie: evil=1", "%0d%0aX-Evil:%201", "a\x00b", "\x00", "\u202egnp.exe", "\ufeff",
    "ﬀ" * 64,
    "\u0000", "\ud800", "🏳️‍🌈" * 40, "ı" * 128, "Ω≈ç√", "\x1b[31m", "\x7f", "a" * 100_000, " ", "", ".", "..", "/", "~",
    # files
    "../../secret.txt", "/etc/passwd", "file:///etc/passwd", "C:\\Windows\\win.ini", "\\\\127.0.0.1\\share\\x",
    "php://filter/read=x", "zip://x", "@/etc/passwd", "@secret.txt", "proc/self/fd/3",
]  # fmt: skip
BODIES = [
    b"", b"null", b"true", b"0", b'""', b"[]", b"[[]]", b"{}", b"{", b"}", b"[" * 100_000, b'{"a":' * 50_000, b"NaN",
    b"Infinity", b"-", b"1e400", b"9" * 5000, b'{"count": 1e400}', b'{"count": 99999999999999999999999999}',
    b'{"count": NaN}', b'{"profile": {}, "profile": {}}', b'\xef\xbb\xbf{"profile": {}}', b"\xff\xfe{\x00}\x00",
    b'{"profile": {}}\x00', b'{"profile": {}} {}', b'{"user_id": "\\ud800"}', b'{"user_id": "\xed\xa0\x80"}',
    b'{"user_id": "\xff"}', b'{"user_id": "\\u0000"}', b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM "
    b"'file:///etc/passwd'>]><a>&b;</a>", b"O:8:\"stdClass\":0:{}", b"\x80\x04\x95\x0b.",
    b"!!python/object/apply:os.system",
    b'{"__proto__": {"admin": true}}', b'{"profile": {"traits": {"__class__": "x"}}}', b'{"constructor": {}}',
    b'{"profile": {}, "seed": -1}', b'{"profile": {}, "seed": 9223372036854775808}', b'{"user_id": ["demo-ana"]}',
    b'{"user_id": {"$ne": null}}', b'{"user_id": {"$gt": ""}}', b'{"events": {"length": 1000000}}',
    b'{"events": [' + b"{}," * 20_000 + b"{}]}",
]  # fmt: skip
HEADERS = {
    "Authorization": ["Bearer", "Bearer a b c", "Bearer {{1337*1337}}", "Basic Og==", "Digest x",
                      "Bearer " + "A" * 60_000],
    "X-API-Key": ["' OR 1=1 --", "pk_' OR '1'='1_x", "pk__", "../../session.key", "a,b", "\x7f"],
    "X-Request-Id": ["<script>alert(1)</script>", "{{1337*1337}}", "../../x", "x" * 9000],
    "Accept": ["../../etc/passwd", "text/html;q=NaN", "*/*;q=1e999", "," * 9000,
               "text/html, <script>alert(1)</script>"],
    "Content-Type": ["", ";", "application/json; charset=utf-7", "multipart/form-data", "text/xml", "a" * 9000],
    "If-None-Match": ['"', "W/", "*", '"../../x"', "," * 5000],
    "Range": ["bytes=0-", "bytes=-1", "bytes=9-1", "bytes=0-0,0-0,0-0", "bytes=99999999999999999999-", "lines=1-2"],
    "Cookie": ["persona=x", "persona=.eJw.x.y", "persona=" + "A" * 9000, "; ; ;", "persona=\x7f"],
    "Idempotency-Key": ["' OR 1=1 --", "x" * 9000, "../../x", ""],
    "Prefer": ["wait=-1", "wait=1e99", "wait=NaN", "wait=;"],
    "X-Request-Timeout": ["-1", "NaN", "1e999", "x"],
    "traceparent": ["00-0-0-0", "x" * 9000],
    "X-HTTP-Method-Override": ["DELETE"],
    "X-Original-URL": ["/v1/users/demo-ana"],
    "X-Rewrite-URL": ["/metrics"],
    "Referer": ["javascript:alert(1)"],
    "User-Agent": ["() { :; }; echo", "${jndi:ldap://127.0.0.1:1/a}"],
    "Transfer-Encoding": ["chunked", "xchunked"],
    "Content-Length": ["-1", "x", "1e3"],
}  # fmt: skip
WIRE = [
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: a\r\n Set-Cookie: evil=1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    b"GET /v1/users/demo-ana HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /v1/users/demo-ana HTTP/1.0\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n",
    b"GET http://evil.example/livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET //evil.example/%2e%2e HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /static/../../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /static/..\\..\\..\\etc\\passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /i/\xff\xfe\x80.webp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\x01\x02 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /livez?\r\nX-Evil: 1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET " + b"/a" * 40_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n",
    b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: evil=1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"XYZZY\xff / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\x04\x00\x00\x00\x00\x00",
    b"\x00" * 4096,
    b"POST /v1/recommendations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /v1/recommendations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST /v1/recommendations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nnull\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: ::1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx\r\n0\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: identity, chunked, x\r\n\r\n0\r\n\r\n",
]  # fmt: skip
NEXT = b"GET /v1/users/demo-ana HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_HIDING = b"POST /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n\r\n0\r\n\r\n" + NEXT
SMUGGLED = [  # one request, or none, but never two; %d: of what follows the headers
    _HIDING % b"Content-Length: %d\r\nTransfer-Encoding: chunked",
    _HIDING % b"Transfer-Encoding: xchunked\r\nContent-Length: %d",
    _HIDING % b"Transfer-Encoding : chunked\r\nContent-Length: %d",
    _HIDING % b"Transfer-Encoding:\x0bchunked\r\nContent-Length: %d",
    _HIDING % b"Content-Length: 0\r\nContent-Length: %d",
]
