#include "http/task.h"

void grid_task_list_prepend(grid_task_list *list, grid_task *task)
{
    task->list = list;
    task->previous = NULL;
    task->next = list->first;
    if (list->first)
        list->first->previous = task;
    else
        list->last = task;
    list->first = task;
}

void grid_task_list_append(grid_task_list *list, grid_task *task)
{
    task->list = list;
    task->next = NULL;
    task->previous = list->last;
    if (list->last)
        list->last->next = task;
    else
        list->first = task;
    list->last = task;
}

void grid_task_unlink(grid_task *task)
{
    grid_task_list *list = task->list;

    if (!list)
        return;
    if (task->previous)
        task->previous->next = task->next;
    else
        list->first = task->next;
    if (task->next)
        task->next->previous = task->previous;
    else
        list->last = task->previous;
    task->list = NULL;
}
