-- What answers make of a record, and how records begin and end: grid.keeper.merge and
-- grid.keeper.lifecycle, through the refreshes that use them where there are any.

local lifecycle = require "grid.keeper.lifecycle"
local merge = require "grid.keeper.merge"
local record = require "grid.keeper.record"
local rig = require "spec.keeper.rig"

local env, with = rig.env, rig.with

local TIMEOUT = { kind = "unknown", code = "timeout" }
local REJECT = { kind = "reject", code = "invalid_grant" }

-- The record that a refresh commits which gets this answer, with nothing in between.
local function committed(value, an_env, refresh_token)
  return rig.after(value, an_env, rig.tokens(refresh_token))
end

-- What a refresh puts that has its answer while the record changes | how it ends.
local function late(self, refresh_token, found)
  self:answer(rig.tokens(refresh_token))
  assert(self:put("conflict").act == "read")
  return self:read(found, "rev-9")
end

local function token_of(value)
  return value.tokens.refresh_token
end

describe("a commit", function()
  it("is one write with the answer, the next generation and no intent", function()
    local self = rig.sending(rig.record(), env "strict")
    local effect = self:answer(rig.tokens("r2", '{ "refresh_token":"r2" }'))
    assert.equal("put", effect.act)
    assert.equal("rev-2", effect.rev)
    local new = effect.record
    assert.same({ "live", 2, 3, "r2", '{ "refresh_token":"r2" }', 500 }, {
      new.state, new.gen, new.writes, token_of(new), new.answer, new.life,
    })
    assert.same({ parent = 1, attempt = 1, key = "key-new" }, new.from)
    assert.is_nil(new.intent)
    assert.same(new, record.unpack(record.pack(new), "id"))
    effect = self:put()
    assert.equal("refreshed", effect.outcome)
    assert.equal(new, effect.record)
  end)

  it("keeps the refresh token, scope and DPoP key that an answer leaves out", function()
    local old = rig.record { tokens = { refresh_token = "r1", access_token = "a1", dpop_key = "d", id_token = "i" } }
    for _, missing in ipairs { false, "" } do
      local new = rig.after(old, env "strict", rig.tokens(missing or nil, "bytes"))
      assert.same({ refresh_token = "r1", scope = "s", dpop_key = "d", access_token = "a2" }, new.tokens)
    end
    assert.same("r1", token_of(old))
  end)

  it("ends the backoff", function()
    local left = rig.after(rig.record(), env "idempotent", TIMEOUT)
    assert.is_nil(committed(left, env("idempotent", 1), "r2").backoff)
  end)

  it("counts the life from the sending, and of a repeated answer from the first one", function()
    local self = rig.sending(rig.record(), env "idempotent")
    local effect = self:answer(rig.tokens "r2", { wall = rig.WALL + 3, boot = rig.BOOT + 3 })
    assert.equal(rig.BOOT + 3, effect.record.obtained.boot)
    local left = rig.after(rig.record(), env "idempotent", TIMEOUT)
    assert.equal(rig.BOOT, committed(left, env("idempotent", 20), "r2").obtained.boot)
    left = rig.after(rig.record(), env "grace", TIMEOUT)
    assert.equal(rig.BOOT + 20, committed(left, env("grace", 20), "r2").obtained.boot)
  end)

  it("notes the skew of the server, and keeps it where the answer does not tell", function()
    local self = rig.sending(rig.record(), env "strict")
    local effect = self:event { name = "answer", result = rig.tokens "r2", sent = rig.record().obtained, skew = 7 }
    assert.equal(7, effect.record.skew)
    assert.equal(7, committed(effect.record, env "strict", "r3").skew)
    local answer = with(rig.tokens "r3", { expires_at = rig.WALL + 7 + 500, expires_in = "none" })
    assert.equal(500, rig.after(effect.record, env "strict", answer).life)
  end)

  it("keeps the life before where the answer does not tell one", function()
    local answer = rig.tokens "r2"
    answer.expires_in = "500"
    assert.equal(1000, rig.after(rig.record(), env "strict", answer).life)
  end)

  it("is kept until the store is back, and then merged", function()
    local self = rig.sending(rig.record(), env "strict")
    local new = self:answer(rig.tokens "r2").record
    assert.equal("keep", self:put("error").act)
    assert.equal("read", self:event({ name = "again" }).act)
    assert.equal("keep", self:event({ name = "read", is_error = true }).act)
    assert.equal("read", self:event({ name = "again" }).act)
    assert.equal("r2", token_of(self:read(rig.record(), "rev-3").record))
    self = rig.sending(rig.record(), env "strict")
    self:answer(rig.tokens "r2")
    self:put "error"
    self:event { name = "again" }
    assert.equal("adopt", self:read(new, "rev-3").outcome)
  end)
end)

describe("a late commit", function()
  it("is not fenced by an owner that has taken the intent over", function()
    local self = rig.sending(rig.record(), env "strict")
    local taken = rig.sending(self.state.record, env("strict", 12), { is_last_chance = true }).state.record
    local effect = late(self, "r2", taken)
    assert.equal("put", effect.act)
    assert.same({ 2, "r2" }, { effect.record.gen, token_of(effect.record) })
    assert.is_nil(effect.record.intent)
  end)

  it("revives a dead record", function()
    local self = rig.sending(rig.record(), env "strict")
    local dead = rig.after(self.state.record, env("strict", 12), REJECT, { is_last_chance = true })
    assert.equal("dead", dead.state)
    local revived = late(self, "r2", dead).record
    assert.same({ "live", 2, "r2" }, { revived.state, revived.gen, token_of(revived) })
    assert.is_nil(revived.dead)
    local later = with(dead, { gen = 5 })
    self = rig.sending(rig.record(), env "strict")
    assert.equal(6, late(self, "r2", later).record.gen)
  end)

  it("with the answer that is there already changes nothing", function()
    local self = rig.sending(rig.record(), env "idempotent")
    local other = committed(self.state.record, env("idempotent", 12), "r2")
    assert.equal("adopt", late(self, "r2", other).outcome)
  end)

  it("is known by its bytes where it has no refresh token of its own", function()
    local self = rig.sending(rig.record(), env "idempotent")
    local other = with(committed(self.state.record, env("idempotent", 12), "r2"), { tokens = { kms_payload = "x" } })
    assert.equal("adopt", late(self, "r2", other).outcome)
  end)

  it("of an earlier attempt is kept as a spare, once", function()
    local self = rig.sending(rig.record(), env "grace")
    local other = committed(self.state.record, env("grace", 12), "r3")
    local kept = late(self, "r2", other).record
    assert.same({ 2, "r3", "r2" }, { kept.gen, token_of(kept), token_of(kept.spares[1]) })
    assert.same(kept, record.unpack(record.pack(kept), "id"))
    self = rig.sending(rig.record(), env "grace")
    assert.equal("adopt", late(self, "r2", kept).outcome)
  end)

  it("of a later attempt serves, unless the tokens of the earlier one are being spent", function()
    local first = rig.sending(rig.record(), env "grace")
    local second = rig.sending(first.state.record, env("grace", 12))
    local earlier = committed(rig.record(), env "grace", "r2")
    local served = late(second, "r3", earlier).record
    assert.same({ 3, "r3", "r2" }, { served.gen, token_of(served), token_of(served.spares[1]) })
    second = rig.sending(first.state.record, env("grace", 12))
    local spent = rig.sending(earlier, env("grace", 13)).state.record
    local kept = late(second, "r3", spent).record
    assert.same({ 2, "r2", "r3" }, { kept.gen, token_of(kept), token_of(kept.spares[1]) })
    assert.equal(spent.intent, kept.intent)
  end)

  it("to a generation whose successor was accepted is superseded", function()
    local self = rig.sending(rig.record(), env "grace")
    local newer = committed(committed(self.state.record, env("grace", 12), "r3"), env("grace", 13), "r4")
    assert.equal("adopt", late(self, "r2", newer).outcome)
  end)

  it("never lets the generation go back, where the store lost writes", function()
    local self = rig.sending(rig.record { gen = 7 }, env "strict")
    assert.equal(8, late(self, "r8", rig.record { gen = 5 }).record.gen)
  end)

  it("of another lineage is dropped, and given back to be revoked", function()
    for _, found in ipairs {
      rig.record { lineage = "new" }, rig.record { lineage = "new", gen = 9 }, rig.record { state = "removed" }, false,
    } do
      local self = rig.sending(rig.record(), env "strict")
      local effect = late(self, "r2", found or nil)
      assert.equal("dropped", effect.outcome)
      assert.equal("r2", token_of(effect.entry))
    end
  end)
end)

describe("a spare", function()
  it("takes the place of tokens that the server refuses, the latest first", function()
    local function spare(name, attempt)
      return { tokens = { refresh_token = name }, answer = name, life = 1, obtained = rig.record().obtained,
        from = { parent = 1, attempt = attempt, key = "k" } }
    end
    local two = rig.record { gen = 2, spares = { spare("r2", 1), spare("r3", 2) } }
    local self = rig.sending(two, env "grace")
    local effect = self:answer(REJECT)
    assert.same({ "live", 3, "r3", 1 }, { effect.record.state, effect.record.gen, token_of(effect.record), #effect.record.spares })
    assert.equal("read", self:put().act)
    local last = rig.after(effect.record, env "grace", REJECT)
    assert.same({ "live", 4, "r2" }, { last.state, last.gen, token_of(last) })
    assert.is_nil(last.spares)
    assert.equal("dead", rig.after(last, env "grace", REJECT).state)
  end)

  it("is forgotten when the server has accepted the tokens that serve", function()
    local two = rig.record { spares = { { tokens = { refresh_token = "x" }, answer = "x" } } }
    assert.is_nil(committed(two, env "grace", "r2").spares)
  end)
end)

describe("an answer that cannot be read", function()
  local UNREADABLE = { kind = "unreadable", answer = "<html>\0", status = 200 }

  it("is saved raw with what opens it, and the intent is given free", function()
    local kept = rig.after(rig.record(), env "strict", UNREADABLE)
    local raw = kept.raws[1]
    assert.same({ "<html>\0", 200, 1, 1, "key-new", "private", "r1" }, {
      raw.answer, raw.status, raw.parent, raw.attempt, raw.key, raw.opener, raw.grant.refresh_token,
    })
    assert.is_false(kept.intent.open)
    assert.is_true(kept.intent.doubt)
    assert.equal(1, kept.backoff.failures)
    assert.same(kept, record.unpack(record.pack(kept), "id"))
  end)

  it("is told as a failure once it is saved", function()
    local self = rig.sending(rig.record(), env "strict")
    self:answer(UNREADABLE)
    local effect = self:put()
    assert.same({ "failed", "unreadable" }, { effect.outcome, effect.failure.code })
  end)

  it("is read by the next process that can, also from a dead record", function()
    local kept = rig.after(rig.record(), env "strict", UNREADABLE)
    local dead = merge.reject(with(kept, { intent = with(kept.intent, { open = true }) }), REJECT)
    for _, found in ipairs { kept, dead } do
      local self = rig.refresh({}, env("strict", 100))
      local effect = self:read(found, "rev-5")
      assert.equal("read_raws", effect.act)
      effect = self:event { name = "answer", result = rig.tokens "r2", raw = effect.raws[1] }
      assert.same({ "put", "rev-5" }, { effect.act, effect.rev })
      assert.same({ "live", 2, "r2", rig.BOOT }, {
        effect.record.state, effect.record.gen, token_of(effect.record), effect.record.obtained.boot,
      })
      assert.is_nil(effect.record.raws)
    end
  end)

  it("that can be read, and is a spare already, keeps no session from its refresh", function()
    local raw = rig.after(rig.record(), env "grace", UNREADABLE).raws[1]
    local sibling = committed(rig.sending(rig.record(), env "grace").state.record, env("grace", 12), "r3")
    local function read(found)
      local self = rig.refresh({}, env("grace", 2000))
      local effect = self:read(found)
      assert.equal("read_raws", effect.act)
      self:event { name = "answer", result = rig.tokens "r2", raw = effect.raws[1] }
      return self
    end
    local kept = read(with(sibling, { raws = { raw } })).effect.record
    assert.equal("r2", token_of(kept.spares[1]))
    local again = read(kept)
    assert.equal("read", again.effect.act)
    assert.equal("r3", again:read(kept).record.intent.grant.refresh_token)
  end)

  it("is left alone once this process could not read it", function()
    local self = rig.refresh({}, env("idempotent", 1))
    self:read(rig.after(rig.record(), env "idempotent", UNREADABLE))
    assert.equal("read", self:event({ name = "answer" }).act)
    assert.equal("put", self:read(rig.after(rig.record(), env "idempotent", UNREADABLE)).act)
  end)

  it("is saved once however often it comes", function()
    local kept = rig.after(rig.record(), env "idempotent", UNREADABLE)
    local again = rig.refresh({}, env("idempotent", 1))
    again.state.has_read_raws = true
    again:read(kept)
    again:put()
    local effect = again:answer(UNREADABLE)
    assert.equal(1, #effect.record.raws)
    assert.is_false(effect.record.intent.open)
  end)

  it("is saved beside another write, and does not touch the intent of another owner", function()
    local self = rig.sending(rig.record(), env "grace")
    local taken = rig.sending(self.state.record, env("grace", 12, {
      random = { key = "k", write_id = "another", unit = 0 } })).state.record
    self:answer(UNREADABLE)
    self:put "conflict"
    local effect = self:read(taken, "rev-9")
    assert.equal("<html>\0", effect.record.raws[1].answer)
    assert.equal(taken.intent, effect.record.intent)
  end)

  it("is dropped with its lineage, and superseded by a later generation", function()
    local self = rig.sending(rig.record(), env "grace")
    local newer = committed(committed(self.state.record, env("grace", 12), "r3"), env("grace", 13), "r4")
    for outcome, found in pairs { dropped = rig.record { lineage = "new" }, adopt = newer } do
      self = rig.sending(rig.record(), env "grace")
      self:answer(UNREADABLE)
      self:put "conflict"
      assert.equal(outcome, self:read(found, "rev-9").outcome)
    end
  end)

  it("stays when an answer to an earlier generation, or to an earlier attempt, is committed", function()
    local raw = rig.after(rig.record(), env "strict", UNREADABLE).raws[1]
    for _, case in ipairs { { 2, 1, true }, { 1, 2, true }, { 1, 1, false } } do
      local self = rig.sending(rig.record(), env "strict")
      local dead = rig.record { gen = 2, state = "dead", raws = { with(raw, { parent = case[1], attempt = case[2] }) } }
      assert.equal(case[3], late(self, "r2", dead).record.raws ~= nil)
    end
  end)

  it("is saved in a dead record, and beside the answer to another attempt", function()
    local sibling = committed(rig.sending(rig.record(), env "grace").state.record, env("grace", 12), "r3")
    for _, found in ipairs { sibling, with(rig.record { gen = 9 }, { state = "dead" }) } do
      local self = rig.sending(rig.record(), env "grace")
      self:answer(UNREADABLE)
      self:put "conflict"
      local effect = self:read(found, "rev-9")
      assert.equal("<html>\0", effect.record.raws[1].answer)
      self:put "conflict"
      assert.equal("adopt", self:read(effect.record, "rev-10").outcome)
    end
  end)
end)

describe("a record", function()
  local ENTRY = { tokens = { refresh_token = "x" }, answer = "x", life = 9, obtained = rig.record().obtained }

  it("is added once, and replaced on demand: another lineage, the next generation", function()
    local _, problem = lifecycle.add(rig.record { state = "dead" }, "id", ENTRY, "lin-2")
    assert.equal("exists", problem)
    local new = lifecycle.add(rig.record { gen = 4, writes = 9 }, "id", ENTRY, "lin-2", true)
    assert.same({ "lin-2", "live", 5, 10, "x" }, { new.lineage, new.state, new.gen, new.writes, token_of(new) })
    assert.is_nil(new.from)
    assert.same(new, record.unpack(record.pack(new), "id"))
  end)

  it("is removed at once, but for an exchange under way, which leaves a tombstone", function()
    assert.equal("remove", (lifecycle.remove(rig.record(), env "strict", {})))
    assert.equal("missing", (lifecycle.remove(nil, env "strict", {})))
    local held = rig.sending(rig.record(), env "strict").state.record
    local other = env("strict", 1, { me = rig.other })
    local act, tombstone = lifecycle.remove(held, other, {})
    assert.equal("put", act)
    assert.same({ "removed", 1, 3 }, { tombstone.state, tombstone.gen, tombstone.writes })
    assert.is_nil(tombstone.tokens)
    assert.same(tombstone, record.unpack(record.pack(tombstone), "id"))
    assert.equal("missing", (lifecycle.remove(tombstone, other, {})))
    assert.equal(rig.WALL + 12, lifecycle.due_at(tombstone, other))
    assert.equal("missing", rig.refresh({}, other):read(tombstone).outcome)
    assert.equal("forget", rig.refresh({}, env("strict", 12, { me = rig.other })):read(tombstone).outcome)
    assert.equal("remove", (lifecycle.remove(held, env("strict", 12, { me = rig.other }), {})))
    assert.equal(2, lifecycle.add(tombstone, "id", ENTRY, "lin-2").gen)
    local left = rig.after(rig.record(), env "strict", TIMEOUT)
    assert.equal("remove", (lifecycle.remove(left, other, {})))
  end)

  it("is due at its jittered time, after the backoff, or when an outcome must be known", function()
    local function due_in(value, an_env)
      return lifecycle.due_at(value, an_env) - an_env.clock.wall
    end
    local fresh = due_in(rig.record(), env "strict")
    assert.is_true(fresh >= 700 and fresh <= 900)
    assert.equal(0, due_in(rig.record(), env("strict", 1000)))
    local failed = rig.after(rig.record(), env("strict", 990), { kind = "refused", code = "x", retry_after = 60 })
    assert.equal(60.5, due_in(failed, env("strict", 990)))
    assert.equal(12, due_in(rig.sending(rig.record(), env "strict").state.record, env "strict"))
    assert.equal(1000, due_in(rig.after(rig.record(), env "strict", TIMEOUT), env "strict"))
    assert.equal(0, due_in(rig.after(rig.record(), env "idempotent", TIMEOUT), env "idempotent"))
    assert.equal(2 ^ 32 - 1, lifecycle.due_at(rig.after(rig.record(), env "strict", REJECT), env "strict"))
  end)
end)
