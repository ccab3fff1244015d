-- Values for specs of the keeper's pure core: processes, records, and a refresh that is
-- led through its steps. Does not know: clocks, stores.

local lifecycle = require "grid.keeper.lifecycle"
local protocol = require "grid.keeper.protocol"

local rig = {}

function rig.with(value, changes)
  local copy = {}
  for name, field in pairs(value) do copy[name] = field end
  for name, field in pairs(changes or {}) do copy[name] = field end
  return copy
end

rig.WALL, rig.BOOT = 1795851579, 5000

rig.me = {
  machine_id = "m", boot_id = "b", pid_namespace = "p", time_namespace = "t", pid = "123", start_time = "9", instance = "i1",
}
rig.other = rig.with(rig.me, { pid = "124", instance = "i2" })
rig.remote = rig.with(rig.me, { machine_id = "n", boot_id = "c", pid_namespace = "q", time_namespace = "u", instance = "i3" })

--- A server of that kind, so many seconds after the beginning.
function rig.env(reuse, seconds, changes)
  return rig.with({
    me = rig.me, clock = { wall = rig.WALL + (seconds or 0), boot = rig.BOOT + (seconds or 0) },
    exchange = { reuse = reuse, timeout = 10, reuse_seconds = 30 },
    random = { key = "key-new", write_id = "write-new", unit = 0.5 },
    grant = { refresh_token = "r1", scope = "s" }, opener = "private",
  }, changes)
end

--- A session of 1000 seconds that was added at the beginning.
function rig.record(changes)
  local obtained = { wall = rig.WALL, boot = rig.BOOT, boot_id = "b", time_namespace = "t" }
  local entry = { tokens = { refresh_token = "r1", access_token = "a1" }, answer = "added", life = 1000, obtained = obtained }
  return rig.with(assert(lifecycle.add(nil, "id", entry, "lin")), changes)
end

function rig.tokens(refresh_token, answer)
  return { kind = "tokens", tokens = { refresh_token = refresh_token, access_token = "a2" }, answer = answer or refresh_token,
    expires_in = 500 }
end

local Refresh = {}
Refresh.__index = Refresh

--- A refresh for `want`, before its first read.
function rig.refresh(want, env)
  local state, effect = protocol.begin(rig.with({ is_forced = true }, want))
  return setmetatable({ state = state, effect = effect, env = env }, Refresh)
end

function Refresh:event(event, env)
  self.env = env or self.env
  self.state, self.effect = protocol.next(self.state, event, self.env)
  return self.effect
end

function Refresh:read(record, rev, facts)
  return self:event { name = "read", record = record, rev = rev or "rev", facts = facts or {} }
end

function Refresh:put(result, rev)
  return self:event { name = "put", result = result or "ok", rev = rev or "rev-2" }
end

function Refresh:answer(result, sent)
  local env = self.env
  sent = sent or { wall = env.clock.wall, boot = env.clock.boot, boot_id = "b", time_namespace = "t" }
  return self:event { name = "answer", result = result, sent = sent }
end

--- Up to the moment at which the request is to be sent.
function rig.sending(record, env, want)
  local self = rig.refresh(want, env)
  self:read(record)
  self:put()
  assert(self.effect.act == "send", self.effect.act)
  return self
end

--- The record that an attempt with that outcome leaves.
function rig.after(record, env, result, want)
  local self = rig.sending(record, env, want)
  self:answer(result)
  return self.effect.record
end

return rig
