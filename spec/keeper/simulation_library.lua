-- The functions of the library that depend on the machine: clocks, the identity of a
-- process, random numbers, and the order of `pairs`. A simulation replaces them.
-- Owns: what they were before, until `restore`.
-- Does not know: keepers.

local clock = require "grid.keeper.clock"
local core = require "grid.core"
local observation = require "grid.keeper.observation"
local owner = require "grid.keeper.owner"
local random = require "grid.random"
local waiting = require "grid.keeper.waiting"

local BOOT, WALL = 1000, 1800000000 -- the clocks at the beginning

local Library = {}
Library.__index = Library

local function replace(self, module, name, replacement)
  table.insert(self.replaced, 1, { module = module, name = name, value = rawget(module, name) })
  rawset(module, name, replacement)
end

--- Lets `pairs` sort the names of this table: their order depends on the VM.
function Library:in_order(map)
  self.ordered[map] = true
  return map
end

local function ordered_pairs(map)
  local names, i = {}, 0
  for name in next, map do names[#names + 1] = name end
  table.sort(names)
  return function()
    repeat i = i + 1 until names[i] == nil or map[names[i]] ~= nil
    return names[i], map[names[i]]
  end
end

local function identity_of(self, instance)
  local me = self.identities[instance]
  if me then return me end
  local number = self.births + 1
  local place = self.world.is_remote and number or ""
  me = {
    machine_id = "m" .. place, boot_id = "b" .. place, pid_namespace = "p" .. place, time_namespace = "t" .. place,
    pid = ("%d"):format(5000 + number), start_time = "1", instance = instance,
  }
  self.identities[instance], self.births = me, number
  return me
end

local function observe(self, record, me, is_in_flight)
  local facts = { is_local = not self.world.is_remote, in_flight = is_in_flight }
  local held = record and (record.owner or record.intent and record.intent.owner)
  local pid = held and owner.process_of(held, me, facts.is_local)
  if pid then facts.process = { state = self.world.alive[pid] and "alive" or "gone", start_time = "1" } end
  return facts
end

local function wall(self)
  local running = self.world.running
  return WALL + math.floor(self.world.now) + (running and running.process.wall or 0)
end

local function replace_all(self)
  local world, plain_pairs = self.world, pairs
  local function boot() return BOOT + world.now end
  replace(self, clock, "boot", boot)
  replace(self, core, "now", boot)
  replace(self, clock, "wall", function() return wall(self) end)
  replace(self, clock, "identity", function(instance) return identity_of(self, instance) end)
  replace(self, core, "uuid", function() return world:uuid() end)
  replace(self, random, "unit", function() return world:unit() end)
  replace(self, waiting, "sleep", function(_, seconds) world:sleep(seconds) end)
  replace(self, observation, "of", function(_, ...) return observe(self, ...) end)
  replace(self, _G, "pairs", function(map)
    if self.ordered[map] then return ordered_pairs(map) end
    return plain_pairs(map)
  end)
end

--- Puts back what was replaced.
function Library:restore()
  for _, entry in ipairs(self.replaced) do rawset(entry.module, entry.name, entry.value) end
  self.replaced = {}
end

local library = {}

--- Replaces the functions by those of a world.
function library.replace(world)
  local self = setmetatable({
    world = world, replaced = {},
    ordered = {}, -- tables for `pairs`
    identities = {}, births = 0, -- by instance of a keeper
  }, Library)
  replace_all(self)
  return self
end

return library
