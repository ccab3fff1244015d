-- Prints the fault matrix, as doc/keeper.md has it; with an argument only the rows with
-- that text. For people, and for a change of the table.
-- Does not know: how cells are run.

local matrix = require "spec.keeper.faults.matrix"

local wanted = arg[1]
local results, texts = matrix.run(wanted and function(text) return text:find(wanted, 1, true) end)
print(matrix.head())
for _, text in ipairs(texts) do print(matrix.line(text, results[text])) end
