-- The protocol with one rule broken each. `apply` breaks it in the functions that the
-- product itself runs, and gives a function that mends it again.
-- Owns: what is broken, and the scenario in which the model must find it.
-- Does not know: how the model searches.

local intents = require "grid.keeper.intent"
local merge = require "grid.keeper.merge"
local owner = require "grid.keeper.owner"
local protocol = require "grid.keeper.protocol"

local function with(value, changes)
  local copy = {}
  for name, field in pairs(value) do copy[name] = field end
  for name, field in pairs(changes) do copy[name] = field end
  return copy
end

local mutants = {}

function mutants.apply(mutant)
  local original = mutant.module[mutant.name]
  mutant.module[mutant.name] = mutant.change(original)
  local mend_other = mutant.also and mutants.apply(mutant.also)
  return function()
    mutant.module[mutant.name] = original
    if mend_other then mend_other() end
  end
end

mutants.list = {
  {
    title = "a fresh key per try",
    scenario = { server = "idempotent", pauses = "none", faults = { lose = 1 } },
    module = intents, name = "next_key",
    change = function() return function(_, env) return env.random.key, 1 end end,
  },
  {
    title = "no intent",
    scenario = { server = "idempotent", pauses = "none", faults = { crash = 1 } },
    module = merge, name = "derive",
    change = function(derive)
      return function(record, changes)
        if changes.intent and changes.intent.open then changes = with(changes, { intent = false }) end
        return derive(record, changes)
      end
    end,
  },
  {
    title = "an intent that is not durable",
    scenario = { server = "idempotent", pauses = "none", faults = { store = 1, crash = 1 } },
    module = protocol.on, name = "put",
    change = function(put)
      return function(state, event, env)
        if event.result == "error" then event = with(event, { result = "ok", rev = state.rev }) end
        return put(state, event, env)
      end
    end,
  },
  {
    title = "a request for an intent that the store may lose",
    scenario = { server = "idempotent", pauses = "none", faults = { volatile = 1, power = 1, crash = 1 } },
    module = protocol.on, name = "put",
    change = function(put)
      return function(state, event, env) return put(state, with(event, { is_volatile = false }), env) end
    end,
  },
  {
    title = "an answer that the store may lose, and that is not put again",
    scenario = { server = "idempotent", pauses = "none", faults = { volatile = 1, power = 1, crash = 1 } },
    module = protocol.on, name = "save",
    change = function(save)
      return function(state, event, env) return save(state, with(event, { is_volatile = false }), env) end
    end,
  },
  {
    title = "a fenced commit",
    scenario = { server = "refusing", pauses = "workers", faults = {} },
    module = merge, name = "commit",
    change = function(commit)
      return function(record, lineage, entry)
        local intent = record and record.intent
        if not intent or intent.attempt ~= entry.from.attempt then return "drop" end
        return commit(record, lineage, entry)
      end
    end,
  },
  {
    title = "a rejection that overwrites a newer record",
    scenario = { server = "refusing", pauses = "workers", faults = {} },
    module = protocol.on, name = "look",
    change = function(look)
      return function(state, event, env)
        local was_refused = state.failure and state.failure.kind == "reject"
        if not was_refused or event.name ~= "read" or not event.record then return look(state, event, env) end
        local dead = merge.derive(event.record, { state = "dead", dead = { code = "invalid_grant" }, intent = false })
        local changed = with(state, { step = "note", record = dead, rev = event.rev, watch = { rev = event.rev, since = 0 } })
        return changed, { act = "put", record = dead, rev = event.rev }
      end
    end,
    also = {
      module = protocol.on, name = "note",
      change = function(note)
        return function(state, event, env)
          if event.result ~= "conflict" then return note(state, event, env) end
          return with(state, { step = "look" }), { act = "read" }
        end
      end,
    },
  },
  {
    title = "a dead record that a late answer does not revive",
    scenario = { server = "refusing", pauses = "workers", faults = {} },
    module = merge, name = "commit",
    change = function(commit)
      return function(record, lineage, entry)
        if record and record.state == "dead" then return "adopt" end
        return commit(record, lineage, entry)
      end
    end,
  },
  {
    title = "a missing refresh token that overwrites the old one",
    scenario = { server = "idempotent", omits = 1, pauses = "none", faults = {} },
    module = merge, name = "tokens",
    change = function() return function(_, new) return new end end,
  },
  {
    title = "a commit without lineage",
    scenario = { server = "idempotent", pauses = "workers", faults = { remove = 1, replace = 1 } },
    module = merge, name = "takes",
    change = function() return function(record) return record ~= nil and record.state ~= "removed" end end,
  },
  {
    title = "an owner that is believed dead because of how its pid is written",
    scenario = { server = "grace", grace = 8, pauses = "none", faults = {} },
    module = owner, name = "process_of",
    change = function(process_of)
      return function(...)
        local pid = process_of(...)
        return pid and pid .. ".0" -- what a JSON library made of a number
      end
    end,
  },
  {
    title = "a send that does not look at the clock again",
    scenario = { server = "strict", pauses = "before send", faults = {} },
    module = protocol, name = "may_send",
    change = function() return function() return true end end,
  },
}

return mutants
