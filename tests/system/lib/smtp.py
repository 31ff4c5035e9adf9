"""A mail server (aiosmtpd) in this process: TLS at once, STARTTLS or none; with a login or without."""
import email
import email.policy
import ssl

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from lib import ports


class _Handler:
    def __init__(self):
        self.mails, self.refuse, self.encrypted = [], set(), []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuse:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, mail, envelope.content))
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"


class MailServer(Controller):
    """tls: None, "smtps" or "starttls", with issued (lib.certs); login: (user, password)."""

    def __init__(self, tls=None, issued=None, login=None):
        context = None
        if tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(issued.certificate, issued.key)
        self.starttls, self.login, self.context, self.attempts = tls == "starttls", login, context, []
        super().__init__(_Handler(), hostname="127.0.0.1", port=ports.free_port(), ready_timeout=20,
                         ssl_context=context if tls == "smtps" else None)
        self.box, self.encrypted = self.handler.mails, self.handler.encrypted
        self.start()

    def factory(self):
        return SMTP(self.handler, hostname="mail.example", tls_context=self.context if self.starttls else None,
                    require_starttls=self.starttls, auth_require_tls=False, auth_required=bool(self.login),
                    authenticator=self.check if self.login else None)

    def check(self, server, session, envelope, mechanism, data):
        self.attempts.append((mechanism, data.login, data.password))
        return AuthResult(success=(data.login.decode(), data.password.decode()) == self.login, handled=False)
