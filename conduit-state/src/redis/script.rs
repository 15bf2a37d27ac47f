//! The Lua scripts.

use std::sync::LazyLock;

use redis::Cmd;

/// A script with its digest.
pub(super) struct Script {
    code: &'static str,
    digest: String,
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("lua/prelude.lua"), $("\n", include_str!($file)),+))
        });)+
    };
}

scripts! {
    OPEN = "lua/open.lua";
    COMMIT = "lua/letters.lua" "lua/commit.lua";
    RENEW = "lua/renew.lua";
    RELEASE = "lua/release.lua";
    FORGET = "lua/forget.lua";
    DEAD_LETTERS = "lua/letters.lua" "lua/dead_letters.lua";
    SELECT = "lua/letters.lua" "lua/select.lua";
    PURGE = "lua/letters.lua" "lua/purge.lua";
    PUT_STATUS = "lua/put_status.lua";
    STATUSES = "lua/statuses.lua";
    PUT_COMMAND = "lua/put_command.lua";
    CLAIM_COMMANDS = "lua/claim_commands.lua";
    WITHDRAW_COMMAND = "lua/withdraw_command.lua";
    PUT_ANSWER = "lua/put_answer.lua";
    TAKE_ANSWER = "lua/take_answer.lua";
    PUT_TAIL = "lua/put_tail.lua";
    TAILS = "lua/tails.lua";
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self {
            code,
            digest: redis::Script::new(code).get_hash().to_owned(),
        }
    }

    /// A call that brings the script along, and so also works on a server that does not know it. Arguments follow.
    pub(super) fn call(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.code).arg(0);
        command
    }

    /// A call for a place behind a [`call`](Self::call) in the same trip, from which the server knows the script.
    pub(super) fn call_again(&self) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.digest).arg(0);
        command
    }
}
