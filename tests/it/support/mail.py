"""A mail server for tests: says its port, then a line of JSON for each message that it takes.

    python mail.py [--certificate-to FILE] [--user USER --password PASSWORD]

With --certificate-to it offers STARTTLS, writes the authority to trust there, and takes nothing in the clear. By the local part of
an address: `nobody` is unknown (550 5.1.1), `busy` is told to come again, once (451), `filtered` is refused (554 5.7.1).
"""

import argparse
import asyncio
import json
import ssl
from email import message_from_bytes, policy

import trustme
from aiosmtpd.smtp import SMTP, AuthResult


class Taken:
    def __init__(self):
        self.busy = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "nobody":
            return "550 5.1.1 there is no " + address
        if name == "filtered":
            return "554 5.7.1 not from you"
        if name.startswith("busy") and address not in self.busy:
            self.busy.add(address)
            return "451 4.3.0 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content().strip() for part in message.walk() if not part.is_multipart()}
        print(json.dumps({
            "to": envelope.rcpt_tos,
            "from": message["From"],
            "subject": message["Subject"],
            "id": message["Message-ID"].strip("<>").split("@")[0],
            "parts": parts,
            "encrypted": session.ssl is not None,
        }), flush=True)
        return "250 OK"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate-to")
    parser.add_argument("--user")
    parser.add_argument("--password")
    arguments = parser.parse_args()
    options = {}
    if arguments.certificate_to:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(arguments.certificate_to)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        options.update(tls_context=context, require_starttls=True)
    if arguments.user:
        wanted = (arguments.user.encode(), arguments.password.encode())
        options.update(
            auth_required=True,
            authenticator=lambda server, session, envelope, mechanism, data: AuthResult(success=(data.login, data.password) == wanted),
        )
    asyncio.run(serve(options))


async def serve(options):
    taken = Taken()
    make = lambda: SMTP(taken, hostname="localhost", **options)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
