-- Each decision of grid.keeper.protocol, one at a time. Their interplay is in
-- model_spec.lua.

local protocol = require "grid.keeper.protocol"
local record = require "grid.keeper.record"
local rig = require "spec.keeper.rig"

local env, with = rig.env, rig.with

local TIMEOUT = { kind = "unknown", code = "timeout" }
local REJECT = { kind = "reject", code = "invalid_grant" }

local function decide(value, an_env, want, facts)
  return protocol.decide(value, want or { is_forced = true }, an_env, facts or {})
end

describe("a session is", function()
  it("served as long as no refresh is due, and refreshed from then on", function()
    assert.equal("serve", (decide(rig.record(), env("strict", 0), {})))
    assert.equal("put_intent", (decide(rig.record(), env("strict", 940), {})))
    assert.equal("put_intent", (decide(rig.record(), env("strict", 0), { is_forced = true })))
    assert.equal("put_intent", (decide(rig.record(), env("strict", 0), { min_ttl = 1000 })))
  end)

  it("adopted when the record is newer than what is in memory", function()
    assert.equal("adopt", (decide(rig.record(), env "strict", { is_forced = true, known = { lineage = "lin", gen = 0 } })))
    assert.equal("adopt", (decide(rig.record(), env "strict", { is_forced = true, known = { lineage = "old", gen = 9 } })))
    assert.equal("put_intent", (decide(rig.record(), env "strict", { is_forced = true, known = { lineage = "lin", gen = 1 } })))
  end)

  it("missing when there is no record", function()
    assert.equal("missing", (decide(nil, env "strict")))
  end)
end)

describe("an intent", function()
  it("is put before anything is sent, and holds what a replay needs", function()
    local self = rig.refresh({}, env "strict")
    local effect = self:read(rig.record(), "rev-1")
    assert.equal("put", effect.act)
    assert.equal("rev-1", effect.rev)
    local intent = effect.record.intent
    assert.same({ "key-new", 1, 1, 1, "write-new", true, false }, {
      intent.key, intent.keys, intent.parent, intent.attempt, intent.write_id, intent.open, intent.doubt,
    })
    assert.same({ refresh_token = "r1", scope = "s" }, intent.grant)
    assert.equal(rig.BOOT, intent.first_sent.boot)
    assert.same(effect.record, record.unpack(record.pack(effect.record), "id"))
    effect = self:put()
    assert.equal("send", effect.act)
    assert.equal(rig.BOOT + 10, effect.not_after)
    assert.equal(rig.BOOT + 10, effect.deadline)
  end)

  it("spends the refresh token of the record, whatever is in memory", function()
    local grant = { refresh_token = "r0", scope = "s" }
    local intent = rig.sending(rig.record(), env("strict", 0, { grant = grant })).effect.intent
    assert.same({ refresh_token = "r1", scope = "s" }, intent.grant)
    assert.equal("r0", grant.refresh_token)
  end)

  it("of a living owner is waited for", function()
    local held = rig.sending(rig.record(), env "strict").state.record
    local act, seconds = decide(held, env("strict", 4, { me = rig.other }))
    assert.equal("wait", act)
    assert.equal(8, seconds)
  end)

  it("of another machine is taken over when the refresh has seen the very same rev for its owner's time", function()
    local held = rig.sending(rig.record(), env("idempotent", 0, { me = rig.remote })).state.record
    local self = rig.refresh({}, env "idempotent")
    local function read_at(seconds, rev)
      self:event({ name = "again" }, env("idempotent", seconds))
      return self:read(held, rev)
    end
    assert.same({ act = "wait", seconds = 12 }, self:read(held, "rev-1"))
    assert.same({ act = "wait", seconds = 1 }, read_at(11, "rev-1"))
    assert.same({ act = "wait", seconds = 12 }, read_at(13, "rev-2"))
    local watch = self.state.watch
    assert.equal("put", read_at(25, "rev-2").act)
    local state = protocol.begin({ is_forced = true }, watch)
    local event = { name = "read", record = held, rev = "rev-2", facts = {} }
    local _, effect = protocol.next(state, event, env("idempotent", 25))
    assert.equal("put", effect.act)
  end)

  it("that lost against another write is dropped, and the record is looked at again", function()
    local self = rig.refresh({}, env "strict")
    self:read(rig.record())
    assert.equal("read", self:put("conflict").act)
    local held = rig.sending(rig.record(), env("strict", 0, { me = rig.other })).state.record
    assert.equal("wait", self:read(held, "rev-9").act)
  end)

  it("whose put failed sends nothing, unless its write id is in the record", function()
    local self = rig.refresh({}, env "strict")
    local effect = self:read(rig.record())
    assert.equal("read", self:put("error").act)
    assert.equal("send", self:read(effect.record, "rev-7").act)
    assert.equal("rev-7", self:answer(rig.tokens "r2").rev)
    for _, found in ipairs { rig.record(), with(effect.record, { intent = with(effect.record.intent, { write_id = "x" }) }) } do
      self = rig.refresh({}, env "strict")
      self:read(rig.record())
      self:put "error"
      assert.equal("failed", self:read(found, "rev-2").outcome)
    end
    self = rig.refresh({}, env "strict")
    self:read(rig.record())
    self:put "error"
    assert.equal("failed", self:event({ name = "read", is_error = true }).outcome)
  end)

  it("that the store may lose is put again with the rev that it has, and sent when it is durable", function()
    local self = rig.refresh({}, env "strict")
    local intent = self:read(rig.record()).record.intent
    local function put_volatile() return self:event { name = "put", result = "error", is_volatile = true } end
    assert.equal("read", put_volatile().act)
    local effect = self:read(self.state.record, "rev-7")
    assert.same({ "put", "rev-7", intent }, { effect.act, effect.rev, effect.record.intent })
    local state = self.state
    assert.equal("send", self:put().act)
    for _, is_volatile in ipairs { true, false } do
      self.state = state
      assert.equal("failed", self:event({ name = "put", result = "error", is_volatile = is_volatile }).outcome)
    end
  end)

  it("that was put too late is not sent, and is free for the next attempt", function()
    local self = rig.refresh({}, env "strict")
    self:read(rig.record())
    self.env = env("strict", 10)
    local effect = self:put()
    assert.equal("put", effect.act)
    assert.is_false(effect.record.intent.open)
    assert.is_false(effect.record.intent.doubt)
    assert.equal("take_over", (decide(effect.record, env("strict", 12))))
    assert.is_true(protocol.may_send(100, { boot = 99.9 }))
    assert.is_false(protocol.may_send(100, { boot = 100 }))
  end)
end)

describe("an unknown outcome", function()
  it("is replayed at once with the same key where the server is idempotent", function()
    local left = rig.after(rig.record(), env "idempotent", TIMEOUT)
    assert.equal("take_over", (decide(left, env("idempotent", 0))))
    local again = rig.sending(left, env("idempotent", 1, {
      random = { key = "other", write_id = "w2", unit = 0 }, grant = { refresh_token = "r1" }, opener = "other",
    }))
    local intent = again.effect.intent
    assert.same({ refresh_token = "r1", scope = "s" }, intent.grant)
    assert.equal("private", intent.opener)
    assert.same({ "key-new", "w2", 2, true }, { intent.key, intent.write_id, intent.attempt, intent.doubt })
    assert.equal(rig.BOOT, intent.first_sent.boot)
  end)

  it("is replayed by an idempotent server also in doubt, and not after it has forgotten the key", function()
    local left = rig.after(rig.record(), env "idempotent", TIMEOUT)
    assert.equal("take_over", (decide(left, env("idempotent", 25, { me = rig.remote }))))
    assert.equal("take_over", (decide(left, env("idempotent", 29))))
    assert.equal("hold", (decide(left, env("idempotent", 30))))
    local near = rig.sending(left, env("idempotent", 29))
    assert.equal(rig.BOOT + 30, near.effect.not_after)
    assert.equal(rig.BOOT + 39, near.effect.deadline)
  end)

  it("is replayed within the grace of the server, and in doubt held back", function()
    local left = rig.after(rig.record(), env "grace", TIMEOUT)
    assert.equal("take_over", (decide(left, env("grace", 29))))
    assert.equal("hold", (decide(left, env("grace", 30))))
    assert.equal("hold", (decide(left, env("grace", 1, { me = rig.remote }))))
    assert.equal(rig.BOOT + 30, rig.sending(left, env("grace", 25)).effect.not_after)
    assert.equal("hold", (decide(left, env("grace", 1, { exchange = { reuse = "grace", timeout = 10 } }))))
  end)

  it("is held back by a strict server until nothing is left to lose and the owner's time is over", function()
    local left = rig.after(rig.record(), env "strict", TIMEOUT)
    local act, seconds = decide(left, env("strict", 20))
    assert.equal("hold", act)
    assert.equal(980, seconds)
    assert.equal("take_over", (decide(left, env("strict", 1000), {})))
    assert.equal("take_over", (decide(left, env("strict", 12), { is_forced = true, is_last_chance = true })))
    act, seconds = decide(left, env("strict", 5), { is_forced = true, is_last_chance = true })
    assert.equal("wait", act)
    assert.equal(7, seconds)
    act = decide(left, env("strict", 500, { me = rig.remote }), { is_forced = true, is_last_chance = true }, { same_rev_for = 11 })
    assert.equal("wait", act)
  end)

  it("is also what a dead owner leaves", function()
    local held = rig.sending(rig.record(), env("strict", 0, { me = rig.other })).state.record
    local gone = { is_local = true, process = { state = "gone" } }
    assert.equal("hold", (decide(held, env("strict", 1), nil, gone)))
    local idempotent = rig.sending(rig.record(), env("idempotent", 0, { me = rig.other })).state.record
    assert.equal("take_over", (decide(idempotent, env("idempotent", 1), nil, gone)))
  end)

  it("is no outcome of an attempt that executed nothing", function()
    for _, reuse in ipairs { "strict", "grace", "idempotent" } do
      local left = rig.after(rig.record(), env(reuse), { kind = "refused", code = "connect" })
      assert.equal("take_over", (decide(left, env(reuse, 2))), reuse)
      local again = rig.sending(left, env(reuse, 2))
      assert.equal("key-new", again.effect.intent.key)
      assert.equal(rig.BOOT + 2, again.effect.intent.first_sent.boot)
    end
    local left = rig.after(rig.record(), env "strict", TIMEOUT)
    left = rig.after(left, env("strict", 1000), { kind = "refused", code = "connect" })
    assert.is_true(left.intent.doubt)
  end)

  it("gets a new key when the old one is stuck and nothing is left to lose, counted", function()
    local function an_env(seconds, key)
      return env("idempotent", seconds, {
        random = { key = key, write_id = "w", unit = 0 }, exchange = { reuse = "idempotent", timeout = 10 },
      })
    end
    local function answer(status) return { kind = "unknown", code = "x", status = status } end
    local function next_key(results, want)
      local left = rig.record()
      for i, result in ipairs(results) do left = rig.after(left, an_env(i * 100, "key-" .. i), result) end
      local intent = rig.sending(left, an_env(900, "key-last"), want).effect.intent
      return { intent.key, intent.keys }
    end
    local last = { is_last_chance = true }
    assert.same({ "key-last", 2 }, next_key({ answer(422) }, last))
    assert.same({ "key-1", 1 }, next_key({ answer(422) }, {}))
    local expired = rig.after(rig.record(), an_env(0, "key-1"), answer(422))
    assert.equal("key-2", rig.sending(expired, an_env(1000, "key-2"), {}).effect.intent.key)
    assert.same({ "key-last", 2 }, next_key({ answer(500), answer(500), answer(500) }, last))
    assert.same({ "key-1", 1 }, next_key({ answer(500), answer(500) }, last))
    assert.same({ "key-1", 1 }, next_key({ answer(500), answer(500), TIMEOUT, answer(500) }, last))
    for _, status in ipairs { 502, 503, 504 } do
      assert.same({ "key-1", 1 }, next_key({ answer(status), answer(status), answer(status), answer(status) }, last))
    end
    assert.same({ "key-1", 1 }, next_key({ answer(409) }, last))
    local left = rig.after(rig.record(), an_env(0, "key-1"), answer(422))
    left = rig.after(left, an_env(100, "key-2"), TIMEOUT, last)
    assert.equal("key-2", rig.sending(left, an_env(200, "key-3"), last).effect.intent.key)
    left = rig.sending(rig.after(rig.record(), an_env(0, "key-1"), answer(422)), an_env(100, "key-2"), last).state.record
    assert.equal(0, left.intent.stuck)
  end)

  it("counts the life of the answer to a new key from the first request with that key", function()
    local function an_env(seconds, key)
      return env("idempotent", seconds, { random = { key = key, write_id = "w", unit = 0 } })
    end
    local left = rig.after(rig.record(), an_env(0, "key-1"), { kind = "unknown", code = "x", status = 422 })
    left = rig.after(left, an_env(990, "key-2"), TIMEOUT, { is_last_chance = true })
    local self = rig.sending(left, an_env(995, "key-3"), { is_last_chance = true })
    assert.same({ "key-2", rig.BOOT + 990 }, { self.effect.intent.key, self.effect.intent.first_sent.boot })
    local sent = { boot = rig.BOOT + 995 }
    local effect = self:event { name = "answer", result = rig.tokens "r2", sent = sent, skew = 0 }
    assert.equal(rig.BOOT + 990, effect.record.obtained.boot)
  end)
end)

describe("a failure", function()
  it("makes the next attempt wait, with full jitter and Retry-After", function()
    local left = rig.after(rig.record(), env "idempotent", { kind = "refused", code = "status_503", retry_after = 7 })
    local act, seconds = decide(left, env("idempotent", 1))
    assert.equal("back_off", act)
    assert.equal(6.5, seconds)
    assert.equal("take_over", (decide(left, env("idempotent", 8))))
    assert.same({ 1, "status_503" }, { left.backoff.failures, left.backoff.code })
    left = rig.after(left, env("idempotent", 8), TIMEOUT)
    assert.equal(2, left.backoff.failures)
    left = rig.after(left, env("idempotent", 9), TIMEOUT)
    assert.equal(2, left.backoff.seconds)
  end)

  it("with an unknown outcome is followed by a replay at once only where that loses nothing", function()
    for reuse, seconds in pairs { idempotent = 0, grace = 0, strict = 0.5 } do
      assert.equal(seconds, rig.after(rig.record(), env(reuse), TIMEOUT).backoff.seconds, reuse)
    end
    local busy = { kind = "unknown", code = "busy", status = 409 }
    assert.equal(0.5, rig.after(rig.record(), env "idempotent", busy).backoff.seconds)
  end)

  it("does not make a process wait whose wall clock was set back", function()
    local left = rig.after(rig.record(), env "idempotent", { kind = "refused", code = "x", retry_after = 100 })
    assert.equal("back_off", (decide(left, env("idempotent", 1, { me = rig.remote }))))
    assert.equal("take_over", (decide(left, env("idempotent", -3600, { me = rig.remote }))))
  end)

  it("leaves the record to a newer write", function()
    local self = rig.sending(rig.record(), env "strict")
    self:answer(TIMEOUT)
    assert.equal("read", self:put("conflict").act)
    local newer = rig.sending(rig.record(), env "strict")
    newer:answer(rig.tokens "r2")
    self.state.want.known = { lineage = "lin", gen = 1 }
    assert.equal("adopt", self:read(newer.effect.record, "rev-3").outcome)
  end)

  it("of the store is told", function()
    local self = rig.refresh({}, env "strict")
    assert.equal("failed", self:event({ name = "read", is_error = true }).outcome)
    self = rig.sending(rig.record(), env "strict")
    self:answer(TIMEOUT)
    assert.equal("read", self:put("error").act)
    local effect = self:event { name = "read", is_error = true }
    assert.same({ "failed", "timeout" }, { effect.outcome, effect.failure.code })
  end)
end)

describe("a rejection", function()
  it("makes the session dead, keeps the record, and tells whether an outcome before was unknown", function()
    local self = rig.sending(rig.record(), env "strict")
    local effect = self:answer(REJECT)
    assert.equal("rev-2", effect.rev)
    assert.same({ "dead", 1, "r1" }, { effect.record.state, effect.record.gen, effect.record.tokens.refresh_token })
    assert.same({ code = "invalid_grant", after_unknown = false }, effect.record.dead)
    assert.is_nil(effect.record.intent)
    assert.equal("dead", self:put().outcome)
    assert.equal("dead", (decide(effect.record, env "strict")))
    local left = rig.after(rig.record(), env "idempotent", TIMEOUT)
    assert.is_true(rig.after(left, env("idempotent", 1), REJECT).dead.after_unknown)
  end)

  it("counts if its put returned an error and has happened, and not if the record is another one", function()
    local self = rig.sending(rig.record(), env "strict")
    local dead = self:answer(REJECT).record
    assert.equal("read", self:put("error").act)
    local state = self.state
    local effect = self:read(dead, "rev-3")
    assert.same({ "dead", "rev-3" }, { effect.outcome, effect.rev })
    local taken_over = rig.sending(rig.record(), env "strict").state.record
    for _, changes in ipairs { { lineage = "other" }, { gen = 2 }, { writes = 9 }, taken_over } do
      self.state = state
      effect = self:read(rig.with(dead, changes), "rev-3")
      assert.same({ "failed" }, { effect.outcome, effect.rev })
    end
  end)

  it("is forgotten when anything was written since", function()
    local self = rig.sending(rig.record(), env "strict")
    self:answer(REJECT)
    assert.equal("read", self:put("conflict").act)
    assert.equal("look", self.state.step)
    local other = rig.sending(rig.record(), env "strict")
    other:answer(rig.tokens "r2")
    assert.equal("serve", (decide(other.effect.record, env "strict", {})))
  end)
end)
